//! Python requirements.
//!
//! The grammar is PEP 508 as `packaging` reads it, with versions as in PEP 440; a test holds both against each other.
//! Source: <https://packaging.python.org/en/latest/specifications/dependency-specifiers/>.

mod marker;
mod version;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::text_value;
use crate::value_error::{ValueError, shown};

/// A requirement, such as `pyodbc>=5,<6`, `pandas[excel]` or `flows @ https://example.com/flows.whl`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement(String);
text_value!(Requirement);

impl Requirement {
    /// The project's name, as written.
    pub fn name(&self) -> &str {
        let end = self.0.find(|it: char| !is_name(it)).unwrap_or(self.0.len());
        self.0[..end].trim_end_matches(['-', '_', '.'])
    }

    /// The project's name as an index compares it: lower case, runs of `-`, `_` and `.` one `-`.
    ///
    /// Source: <https://packaging.python.org/en/latest/specifications/name-normalization/>.
    pub fn normalized_name(&self) -> String {
        let mut normal = String::new();
        for letter in self.name().chars() {
            match letter {
                '-' | '_' | '.' if normal.ends_with('-') => {}
                '-' | '_' | '.' => normal.push('-'),
                other => normal.push(other.to_ascii_lowercase()),
            }
        }
        normal
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

impl FromStr for Requirement {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(help) = no_requirement(text) {
            return Err(ValueError::new(format!("{} is no requirement", shown(text))).with_help(help));
        }
        let mut cursor = Cursor { text, at: 0 };
        read(&mut cursor)?;
        Ok(Self(text.trim_matches([' ', '\t']).to_owned()))
    }
}

/// What pip takes on its command line, but no requirement is.
fn no_requirement(text: &str) -> Option<&'static str> {
    let word = text.trim_start();
    if word.starts_with('-') {
        Some(
            "options and requirement files have no place here: write each requirement as a string of its own",
        )
    } else if word.starts_with("git+") || word.starts_with("http://") || word.starts_with("https://") {
        Some("write the project's name before it: `name @ https://…`")
    } else if word.starts_with("./") || word.starts_with("../") || word.starts_with('/') {
        Some(
            "a folder or wheel of yours: copy it with `files`, and install it in `extra_dockerfile_commands`",
        )
    } else {
        None
    }
}

fn read(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    cursor.space();
    let name = cursor.take(is_name);
    if !fits_edges(name) {
        return Err(cursor.error("a requirement begins with a project's name, such as `pyodbc`"));
    }
    cursor.space();
    extras(cursor)?;
    cursor.space();
    if cursor.eat("@") {
        cursor.space();
        let url = cursor.take(|it| it != ' ' && it != '\t');
        if url.is_empty() {
            return Err(cursor.error("after `@` an address follows, such as `https://example.com/x.whl`"));
        }
        if url.contains('\n') || url.contains('\r') {
            return Err(cursor.error("a requirement is one line"));
        }
    } else if cursor.eat("(") {
        cursor.space();
        versions(cursor)?;
        cursor.space();
        if !cursor.eat(")") {
            return Err(cursor.error("the versions lack their closing `)`"));
        }
    } else {
        versions(cursor)?;
    }
    cursor.space();
    if cursor.eat(";") {
        marker::read(cursor)?;
    }
    cursor.space();
    if cursor.rest().is_empty() {
        return Ok(());
    }
    Err(cursor.unexpected())
}

/// Letters and digits at both ends; `packaging` lets a name end with `_` too.
fn fits_edges(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.ends_with(|it: char| it.is_ascii_alphanumeric() || it == '_')
}

fn extras(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    if !cursor.eat("[") {
        return Ok(());
    }
    cursor.space();
    if cursor.eat("]") {
        return Ok(());
    }
    loop {
        let name = cursor.take(is_name);
        if !fits_edges(name) {
            return Err(cursor.error("expected the name of an extra, such as `pandas[excel]`"));
        }
        cursor.space();
        if cursor.eat("]") {
            return Ok(());
        }
        if !cursor.eat(",") {
            return Err(cursor.error("extras are separated by `,` and end with `]`"));
        }
        cursor.space();
    }
}

fn versions(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    while version::starts(cursor.rest()) {
        version::read(cursor)?;
        cursor.space();
        if !cursor.eat(",") {
            break;
        }
        cursor.space();
    }
    Ok(())
}

/// A place in the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|it| !fits(it)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn space(&mut self) {
        self.take(|it| it == ' ' || it == '\t');
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn error(&self, why: &str) -> ValueError {
        ValueError::new(format!("{} is no requirement: {why}", shown(self.text)))
    }

    fn unexpected(&self) -> ValueError {
        let rest = self.rest();
        let error = self.error(&format!("{} is not understood there", shown(rest)));
        if rest.starts_with('=') {
            error.with_help("versions are compared with `==`, `>=`, `<`, `~=` and `!=`")
        } else if version::starts(rest) {
            error.with_help("conditions are separated by `,`: `>=5,<6`")
        } else if rest.starts_with(|it: char| it.is_ascii_digit()) {
            error.with_help("a version needs a comparison: `name==1.2`")
        } else if rest.starts_with('#') {
            error.with_help("no comment may stand in a requirement")
        } else if rest.starts_with(['\n', '\r']) {
            error.with_help("a requirement is one line")
        } else {
            error.with_help("write each requirement as a string of its own, such as `pyodbc>=5,<6`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_written_and_as_an_index_has_them() {
        let requirement: Requirement = "Foo__Bar.baz[x,y] >=1".parse().unwrap();
        assert_eq!(requirement.name(), "Foo__Bar.baz");
        assert_eq!(requirement.normalized_name(), "foo-bar-baz");
    }

    #[test]
    fn mistakes_name_the_way_out() {
        for (text, said) in [
            ("pyodbc=5", "compared with `==`"),
            ("pyodbc >=5 <6", "separated by `,`"),
            ("pyodbc 5", "`name==1.2`"),
            ("-r requirements.txt", "requirement files"),
            ("git+https://example.com/x", "name @ https"),
            ("./wheel.whl", "copy it with `files`"),
            ("pandas requests", "a string of its own"),
            ("pandas # fast", "no comment"),
        ] {
            let error = text.parse::<Requirement>().unwrap_err();
            assert!(
                error.help().unwrap_or_default().contains(said),
                "{text}: {error:?}"
            );
        }
    }
}
