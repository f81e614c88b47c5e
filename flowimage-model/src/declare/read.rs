//! Reads the keys of a tree one by one, by the form the catalogue gives each.

use std::num::NonZeroU32;

use crate::keys::{Form, Key};
use crate::suggest::instead;
use crate::tree::{Entry, Findings, Mistake, Node, Tree, Value};
use crate::value_error::{ValueError, shown};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T, P> {
    pub(crate) value: T,
    pub(crate) place: P,
}

/// A text that parses itself, or any string.
pub(crate) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, ValueError>;
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError::new("an empty string says nothing here"));
        }
        if text.contains('\0') {
            return Err(ValueError::new("a NUL character can stand in no Dockerfile"));
        }
        Ok(text.to_owned())
    }
}

/// A text that a Dockerfile carries as it is, and that may be empty.
pub(crate) struct Literal(pub(crate) String);

impl FromText for Literal {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        match text.chars().find(|it| matches!(it, '\n' | '\r' | '\0')) {
            Some(bad) => Err(ValueError::new(format!(
                "no Dockerfile can carry {} in this value",
                shown(&bad.to_string())
            ))),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// An argument of a program: anything but NUL.
pub(crate) struct Argument(pub(crate) String);

impl FromText for Argument {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        if text.contains('\0') {
            return Err(ValueError::new("a NUL character can stand in no argument"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A name or path: one line, not empty.
pub(crate) struct Line(pub(crate) String);

impl FromText for Line {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        if text.trim().is_empty() {
            return Err(ValueError::new("an empty string says nothing here"));
        }
        if text.chars().any(char::is_control) {
            return Err(ValueError::new(format!(
                "{} holds a control character",
                shown(text)
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a flow's parameter: a Rust identifier, as far as ASCII goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParameterName(pub(super) String);

impl FromText for ParameterName {
    fn from_text(text: &str) -> Result<Self, ValueError> {
        let starts = text.starts_with(|it: char| it.is_alphabetic() || it == '_');
        if starts && text.chars().all(|it| it.is_alphanumeric() || it == '_') {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!("{} is no parameter's name", shown(text))))
    }
}

/// Values that are read by their own parser.
macro_rules! from_text {
    ($($value:ty),* $(,)?) => {$(
        impl FromText for $value {
            fn from_text(text: &str) -> Result<Self, ValueError> {
                text.parse()
            }
        }
    )*};
}

from_text!(
    crate::command::CommandLine,
    crate::command::CommandName,
    crate::declaration::Base,
    crate::declaration::Libraries,
    crate::health::LibraryName,
    crate::health::ProbeName,
    crate::names::ContainerPath,
    crate::names::EnvName,
    crate::names::EnvValue,
    crate::names::FlowName,
    crate::names::GroupName,
    crate::names::LabelKey,
    crate::names::PackageName,
    crate::names::User,
    crate::platform::Platform,
    crate::python::PythonVersion,
    crate::reference::ImageName,
    crate::reference::ImageTag,
    crate::reference::RegistryUrl,
    crate::requirement::Requirement,
    crate::schedule::Schedule,
    crate::secret::Secret,
    crate::settings::SecretReference,
);

/// Reads known keys out of a tree, each once.
pub(crate) struct Reader<P> {
    entries: Vec<(&'static Key, Entry<P>)>,
    pub(crate) findings: Findings<P>,
}

impl<P: Clone> Reader<P> {
    /// Sorts out keys that the catalogue does not have and keys given twice.
    pub(crate) fn new(tree: Tree<P>, catalogue: &'static [Key]) -> Self {
        let mut reader = Self {
            entries: Vec::new(),
            findings: Findings::default(),
        };
        for entry in tree.entries {
            let Some(key) = catalogue.iter().find(|key| key.name == entry.key) else {
                reader
                    .findings
                    .mistake(unknown_key(&entry.key, entry.key_place, catalogue));
                continue;
            };
            if reader.entries.iter().any(|(known, _)| known.name == key.name) {
                reader.findings.mistake(
                    Mistake::new(entry.key_place, format!("`{}` is given twice", key.name))
                        .help("keep one of the two"),
                );
                continue;
            }
            reader.entries.push((key, entry));
        }
        reader
    }

    /// Whether the key was written, readable or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.name == name)
    }

    /// What was found wrong so far.
    pub(crate) fn finish(self) -> Findings<P> {
        self.findings
    }

    fn node(&self, name: &'static str) -> Option<(&'static Key, Node<P>)> {
        let (key, entry) = self.entries.iter().find(|(key, _)| key.name == name)?;
        Some((key, entry.value.clone()))
    }

    /// A key whose value is one text.
    pub(crate) fn text<T: FromText>(&mut self, name: &'static str) -> Option<Placed<T, P>> {
        let (key, node) = self.node(name)?;
        self.one(key, node)
    }

    /// A key whose value is a bool.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<Placed<bool, P>> {
        let (key, node) = self.node(name)?;
        match node.value {
            Value::Flag(value) => Some(Placed {
                value,
                place: node.place,
            }),
            other => {
                self.wrong_form(key, other.describe(), node.place);
                None
            }
        }
    }

    /// A key whose value counts something: a whole number from 1.
    pub(crate) fn count(&mut self, name: &'static str) -> Option<Placed<NonZeroU32, P>> {
        let (key, node) = self.node(name)?;
        let Value::Other(written) = &node.value else {
            self.wrong_form(key, node.value.describe(), node.place);
            return None;
        };
        let number = written.replace('_', "").parse().ok();
        match number.filter(|number| *number <= LARGEST_COUNT) {
            Some(value) => Some(Placed {
                value,
                place: node.place,
            }),
            None => {
                self.wrong_form(key, written, node.place);
                None
            }
        }
    }

    /// A key whose value is a list of texts; the same text twice is a mistake.
    pub(crate) fn list<T: FromText>(&mut self, name: &'static str) -> Vec<Placed<T, P>> {
        let Some((key, node)) = self.node(name) else {
            return Vec::new();
        };
        let Value::List(items) = node.value else {
            self.wrong_form(key, node.value.describe(), node.place);
            return Vec::new();
        };
        let mut seen: Vec<String> = Vec::new();
        let mut read = Vec::new();
        for item in items {
            if let Value::Text(text) = &item.value {
                if seen.contains(text) && !REPEATABLE.contains(&key.name) {
                    self.findings.mistake(
                        Mistake::new(item.place, format!("`{text}` stands twice in `{}`", key.name))
                            .help("keep one of the two"),
                    );
                    continue;
                }
                seen.push(text.clone());
            }
            read.extend(self.one(key, item));
        }
        read
    }

    /// A key whose value is a map of texts; the same name twice is a mistake.
    pub(crate) fn map<K: FromText, V: FromText>(
        &mut self,
        name: &'static str,
    ) -> Vec<(Placed<K, P>, Placed<V, P>)> {
        let Some((key, node)) = self.node(name) else {
            return Vec::new();
        };
        let Value::Map(entries) = node.value else {
            self.wrong_form(key, node.value.describe(), node.place);
            return Vec::new();
        };
        let mut seen: Vec<String> = Vec::new();
        let mut read = Vec::new();
        for entry in entries {
            if seen.contains(&entry.key) {
                self.findings.mistake(
                    Mistake::new(
                        entry.key_place,
                        format!("`{}` stands twice in `{}`", entry.key, key.name),
                    )
                    .help("keep one of the two"),
                );
                continue;
            }
            seen.push(entry.key.clone());
            let name = match K::from_text(&entry.key) {
                Ok(value) => Some(Placed {
                    value,
                    place: entry.key_place,
                }),
                Err(error) => {
                    self.findings.mistake(from_value_error(entry.key_place, &error));
                    None
                }
            };
            let value = self.one(key, entry.value);
            read.extend(name.zip(value));
        }
        read
    }

    /// One text of a key, a list or a map.
    fn one<T: FromText>(&mut self, key: &'static Key, node: Node<P>) -> Option<Placed<T, P>> {
        let Value::Text(text) = &node.value else {
            if key.form == Form::Text {
                self.wrong_form(key, node.value.describe(), node.place);
            } else {
                let found = node.value.describe();
                self.findings.mistake(
                    Mistake::new(
                        node.place,
                        format!("`{}` holds strings, but this is {found}", key.name),
                    )
                    .help(format!("for example `{}`", key.example)),
                );
            }
            return None;
        };
        match T::from_text(text) {
            Ok(value) => Some(Placed {
                value,
                place: node.place,
            }),
            Err(error) => {
                self.findings.mistake(from_value_error(node.place, &error));
                None
            }
        }
    }

    fn wrong_form(&mut self, key: &Key, found: &str, place: P) {
        self.findings.mistake(
            Mistake::new(
                place,
                format!(
                    "`{}` takes {}, but this is {found}",
                    key.name,
                    key.form.describe(),
                ),
            )
            .help(format!("for example `{}`", key.example)),
        );
    }
}

/// The largest number that Prefect's database holds: its columns are of 32 bits, with a sign.
const LARGEST_COUNT: NonZeroU32 = NonZeroU32::new(i32::MAX.unsigned_abs()).unwrap();

/// Lists in which the same text may stand twice, because their order has a meaning.
const REPEATABLE: [&str; 3] = ["exec", "extra_dockerfile_commands", "health_checks"];

pub(crate) fn from_value_error<P>(place: P, error: &ValueError) -> Mistake<P> {
    let mut mistake = Mistake::new(place, error.message());
    mistake.help.extend(error.help().map(str::to_owned));
    mistake
}

/// The message for a key that is none.
fn unknown_key<P>(word: &str, place: P, catalogue: &'static [Key]) -> Mistake<P> {
    let mistake = Mistake::new(place, format!("unknown key `{word}`"));
    let names = || catalogue.iter().map(|key| key.name).collect::<Vec<_>>();
    mistake.help(prefect_word(word).unwrap_or_else(|| instead(word, &names())))
}

/// What became of a keyword of Prefect 1's `Docker(…)` that flowimage spells otherwise.
fn prefect_word(word: &str) -> Option<String> {
    let now = match word {
        "base_url" | "tls_config" => {
            "the engine is chosen by `--engine`, `DOCKER_HOST` or `[engine]` in flowimage.toml"
        }
        "build_kwargs" => "its parts are keys of their own: `build_args`, `secrets`, `platform`, `labels`",
        "prefect_directory" => "it is `flow_directory` here",
        "prefect_version" => "no Prefect is installed into the image: the flow binary is all it needs",
        "path" | "stored_as_script" => "the flow is compiled; scripts that it calls are copied with `files`",
        "api_key" => "it is no matter for a file: set `PREFECT_API_KEY` where the command runs",
        "env" | "environment" => "it is `env_vars` here",
        "apt" | "apt_packages" | "system_packages" | "packages" => "it is `system_dependencies` here",
        _ => return None,
    };
    Some(now.to_owned())
}
