//! Declarations made of values that are hard to quote.

pub(crate) mod generator;

use std::collections::{BTreeMap, BTreeSet};

use flowimage_model::declaration::Declaration;
use flowimage_model::declare::{Item, Surroundings, declare};
use flowimage_model::names::{ContainerPath, EnvValue, PathKind};
use flowimage_model::tree::{Entry, Node, Tree, Value};

use generator::Generator;

/// A crate in which every file exists.
pub(crate) struct Everywhere;

impl Surroundings for Everywhere {
    fn kind(&self, _: &str) -> Option<PathKind> {
        Some(PathKind::File)
    }

    fn text(&self, _: &str) -> Result<String, String> {
        Err("no text is asked for".to_owned())
    }

    fn names(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Pieces of values that some reader on the way could take for more than text.
const PIECES: [&str; 48] = [
    "$",
    "{",
    "}",
    "\\",
    "\"",
    "'",
    "`",
    "#",
    " ",
    "  ",
    "\t",
    "A",
    "$PATH",
    "${PATH}",
    "${PATH}:/x",
    "$PATH:/x",
    "\\$",
    "\\\\",
    ":-",
    ":+",
    "${NOPE:-x y}",
    "${NOPE:-}",
    "${PATH:+a\"b}",
    "${PATH:+$PATH}",
    "é",
    "日本",
    "😀",
    "=",
    "<<",
    "EOF",
    "$5",
    "$$",
    "$(",
    "${",
    "0",
    ";",
    "&&",
    "\u{a0}",
    "\u{feff}",
    "%",
    "!",
    "[",
    "]",
    "*",
    "?",
    "~",
    "\u{7f}",
    "\u{1}",
];

/// Pieces of file names; a name may not hold `/`.
const NAMES: [&str; 20] = [
    "a", "b", ".", " ", "$", "$PATH", "\\", "\"", "'", "*", "?", "[", "]", "#", "é", "日", "{", "}", "!", "~",
];

/// What is declared; files stand under their destination.
pub(crate) struct Declared {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) files: BTreeSet<String>,
}

impl Declared {
    /// 124 variables, 60 labels and 42 files.
    pub(crate) fn generate(seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        let mut env = BTreeMap::new();
        while env.len() < 120 {
            let value = generator.some(&PIECES, 8);
            if value.parse::<EnvValue>().is_ok() {
                env.insert(format!("V{:03}", env.len()), value);
            }
        }
        for (name, value) in [
            ("BLANK", " both ends "),
            ("NONE", ""),
            ("ENDS", "C:\\dir\\"),
            ("HASH", "# no comment"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        let labels = (0..60)
            .map(|number| (format!("test.label-{number:02}"), generator.some(&PIECES, 8)))
            .collect();
        let mut files = BTreeSet::new();
        while files.len() < 40 {
            let path = format!("/files/{}{}", generator.one(&NAMES), generator.some(&NAMES, 6));
            if path.parse::<ContainerPath>().is_ok_and(|it| it.as_str() == path) {
                files.insert(path);
            }
        }
        // A pattern that would match its neighbour.
        files.extend(["/files/x*z".to_owned(), "/files/xyz".to_owned()]);
        Self { env, labels, files }
    }

    fn tree(&self, base: &str) -> Tree<()> {
        let text = |text: &str| Node {
            value: Value::Text(text.to_owned()),
            place: (),
        };
        let map = |pairs: Vec<(&str, &str)>| Node {
            value: Value::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| entry(key, text(value)))
                    .collect(),
            ),
            place: (),
        };
        fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
            map.iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect()
        }
        let files = self
            .files
            .iter()
            .map(|path| (path.trim_start_matches('/'), path.as_str()));
        Tree {
            entries: vec![
                entry("base_image", text(base)),
                entry("env_vars", map(pairs(&self.env))),
                entry("labels", map(pairs(&self.labels))),
                entry("files", map(files.collect())),
            ],
        }
    }

    /// The declaration, as if an attribute had said all this; `None` where a value is refused.
    pub(crate) fn declaration(&self, base: &str) -> Option<Declaration> {
        let item = Item {
            name: "flow",
            docs: "",
        };
        declare(&item, &(), self.tree(base), &Everywhere).0
    }
}

fn entry(key: &str, value: Node<()>) -> Entry<()> {
    Entry {
        key: key.to_owned(),
        key_place: (),
        value,
    }
}
