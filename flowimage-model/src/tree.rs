//! What was written, before anything is known of its meaning: keys and values with their places.
//!
//! The attribute and `flowimage.toml` are both read into a [`Tree`], so that one reader of the meaning
//! ([`crate::declare`]) serves both. `P` is a place in the source: a span of the compiler, or a line and column.

/// A value as written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<P> {
    /// The value.
    pub value: Value<P>,
    /// The place of the whole value.
    pub place: P,
}

/// The forms a value can have in an attribute or in TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<P> {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// Anything else that stands alone (a number, a date), as written.
    Other(String),
    /// `[a, b]`.
    List(Vec<Node<P>>),
    /// `{ a = b, c => d }`, or a table of TOML.
    Map(Vec<Entry<P>>),
}

impl<P> Value<P> {
    /// What the value is, in words for a message.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Flag(_) => "a bool",
            Value::Other(_) => "a number",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<P> {
    /// The key's text.
    pub key: String,
    /// The place of the key alone.
    pub key_place: P,
    /// The value.
    pub value: Node<P>,
}

/// All keys of one source, in the order written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree<P> {
    /// The keys. The same key may stand twice: that is a mistake found later.
    pub entries: Vec<Entry<P>>,
}

impl<P> Default for Tree<P> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<P> Tree<P> {
    /// The value of a key, where it is a text.
    pub fn text(&self, key: &str) -> Option<(&str, &P)> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        match &entry.value.value {
            Value::Text(text) => Some((text, &entry.value.place)),
            _ => None,
        }
    }

    /// The same tree with other places.
    pub fn map<Q>(self, to: &impl Fn(P) -> Q) -> Tree<Q> {
        Tree {
            entries: map_entries(self.entries, to),
        }
    }
}

fn map_entries<P, Q>(entries: Vec<Entry<P>>, to: &impl Fn(P) -> Q) -> Vec<Entry<Q>> {
    entries
        .into_iter()
        .map(|entry| Entry {
            key: entry.key,
            key_place: to(entry.key_place),
            value: map_node(entry.value, to),
        })
        .collect()
}

fn map_node<P, Q>(node: Node<P>, to: &impl Fn(P) -> Q) -> Node<Q> {
    let value = match node.value {
        Value::Text(text) => Value::Text(text),
        Value::Flag(flag) => Value::Flag(flag),
        Value::Other(text) => Value::Other(text),
        Value::List(items) => Value::List(items.into_iter().map(|item| map_node(item, to)).collect()),
        Value::Map(entries) => Value::Map(map_entries(entries, to)),
    };
    Node {
        value,
        place: to(node.place),
    }
}

/// A place in a file: line and column in characters, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The place of a byte of a text.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Something wrong in the source: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake<P> {
    /// The word that is wrong.
    pub place: P,
    /// What is wrong and what is allowed; lower case, no full stop.
    pub message: String,
    /// What was probably meant, or the way out.
    pub help: Vec<String>,
}

impl<P> Mistake<P> {
    /// A mistake without help.
    pub fn new(place: P, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: Vec::new(),
        }
    }

    /// The same mistake at another place.
    pub fn map<Q>(self, to: &impl Fn(P) -> Q) -> Mistake<Q> {
        Mistake {
            place: to(self.place),
            message: self.message,
            help: self.help,
        }
    }

    /// Adds a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Something doubtful that does not stop the build; `allow = ["…"]` silences it by its lint's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt<P> {
    /// The lint's name, as `allow` takes it.
    pub lint: &'static str,
    /// The place, the text and the way out.
    pub mistake: Mistake<P>,
}

/// Collects every mistake and doubt of one input, so that all are shown at once.
#[derive(Clone, Debug)]
pub struct Findings<P> {
    /// What must be put right.
    pub mistakes: Vec<Mistake<P>>,
    /// What should be looked at.
    pub doubts: Vec<Doubt<P>>,
}

impl<P> Default for Findings<P> {
    fn default() -> Self {
        Self {
            mistakes: Vec::new(),
            doubts: Vec::new(),
        }
    }
}

impl<P> Findings<P> {
    /// Adds a mistake.
    pub fn mistake(&mut self, mistake: Mistake<P>) {
        self.mistakes.push(mistake);
    }

    /// The same findings with other places.
    pub fn map<Q>(self, to: &impl Fn(P) -> Q) -> Findings<Q> {
        Findings {
            mistakes: self.mistakes.into_iter().map(|mistake| mistake.map(to)).collect(),
            doubts: self
                .doubts
                .into_iter()
                .map(|doubt| Doubt {
                    lint: doubt.lint,
                    mistake: doubt.mistake.map(to),
                })
                .collect(),
        }
    }

    /// Adds what another reader found.
    pub fn extend(&mut self, other: Findings<P>) {
        self.mistakes.extend(other.mistakes);
        self.doubts.extend(other.doubts);
    }

    /// Adds a doubt.
    pub fn doubt(&mut self, lint: &'static str, mistake: Mistake<P>) {
        self.doubts.push(Doubt { lint, mistake });
    }
}
