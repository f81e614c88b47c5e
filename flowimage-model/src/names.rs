//! Small values: names, paths and users, each checked where it is made.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::text_value;
use crate::value_error::{ValueError, shown};

/// What a path on the author's machine leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// A flow's name: lower-case letters, digits and single dashes, at most 100 characters.
///
/// Narrow on purpose: it is also a repository's last component, a file name and a name at the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FlowName(String);
text_value!(FlowName);

impl FromStr for FlowName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fits = !text.is_empty()
            && text.len() <= 100
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--")
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!(
            "{} is no flow name: expected lower-case letters, digits and single dashes between them, 100 at most",
            shown(text)
        )))
    }
}

/// The name of an `[image.NAME]` in `flowimage.toml`: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);
text_value!(GroupName);

impl FromStr for GroupName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !text.is_empty() && text.len() <= 100 && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!(
            "{} is no name of an image: expected letters, digits, `-` and `_`, as in `[image.etl]`",
            shown(text)
        )))
    }
}

/// The name of an environment variable: a letter or `_`, then letters, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);
text_value!(EnvName);

impl FromStr for EnvName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut bytes = text.bytes();
        let starts = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!(
            "{} is no name of an environment variable: expected a letter or `_`, then letters, digits and `_`",
            shown(text)
        )))
    }
}

/// The value of an environment variable, as declared; see [`crate::escape`] for what `$` means in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvValue(String);
text_value!(EnvValue);

impl FromStr for EnvValue {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(bad) = text.chars().find(|it| matches!(it, '\n' | '\r' | '\0')) {
            return Err(ValueError::new(format!(
                "no Dockerfile can carry {} in an environment variable",
                shown(&bad.to_string())
            ))
            .with_help("put the text into a file and declare it in `files`"));
        }
        crate::escape::check_expansions(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// A package of the base's distribution: `name`, `name=version`, `name:architecture`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);
text_value!(PackageName);

impl FromStr for PackageName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let starts = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._:=~".contains(&byte);
        if starts && text.len() <= 200 && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        let error = ValueError::new(format!(
            "{} is no package: expected a name such as `unixodbc`, or `name=version`",
            shown(text)
        ));
        Err(match text.split_whitespace().count() {
            0 | 1 => error,
            _ => error.with_help("write each package as a string of its own"),
        })
    }
}

/// An absolute path in the image: no `.` or `..`, no doubled `/`, none at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerPath(String);
text_value!(ContainerPath);

impl FromStr for ContainerPath {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.starts_with('/') {
            return Err(ValueError::new(format!(
                "{} is not absolute: a path in the image starts with `/`",
                shown(text)
            ))
            .with_help(format!("write `/{}`", text.trim_start_matches("./"))));
        }
        if text.chars().any(char::is_control) {
            return Err(ValueError::new(format!(
                "{} holds a control character",
                shown(text)
            )));
        }
        if text.split('/').any(|part| part == "..") {
            return Err(ValueError::new(format!(
                "{} climbs with `..`: write the path it leads to",
                shown(text)
            )));
        }
        let parts: Vec<_> = text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        Ok(Self(format!("/{}", parts.join("/"))))
    }
}

/// The user a flow runs as: a name, or `uid`, or either with `:group`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct User(String);
text_value!(User);

impl FromStr for User {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let part = |part: &str| {
            let number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let starts = part
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            let name = starts
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
            (number && part.parse::<u32>().is_ok()) || (name && part.len() <= 32)
        };
        let fits = match text.split_once(':') {
            Some((user, group)) => part(user) && part(group),
            None => part(text),
        };
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!(
            "{} is no user: expected a name, a number, or `user:group`",
            shown(text)
        )))
    }
}

/// The key of an image label, such as `org.opencontainers.image.vendor`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelKey(String);
text_value!(LabelKey);

impl FromStr for LabelKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let starts = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
        {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!(
            "{} is no label: expected letters, digits, `.`, `_`, `-` and `/`, a letter or digit first",
            shown(text)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T: FromStr<Err = ValueError>>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} was refused");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn each_kind_takes_its_own() {
        accepts::<FlowName>(
            &["a", "nightly-orders", "etl2"],
            &["", "A", "a_b", "-a", "a-", "a--b", "a/b", "ä"],
        );
        accepts::<GroupName>(&["etl", "ETL_2", "a-b"], &["", "a b", "a.b", "é"]);
        accepts::<EnvName>(&["A", "_x1", "TDSVER"], &["", "1A", "A-B", "A B", "Ä"]);
        accepts::<EnvValue>(
            &["", "7.4", "$PATH:/x", "a b # \" '"],
            &["a\nb", "a\0", "\r", "${A"],
        );
        accepts::<PackageName>(
            &["libc6", "g++", "curl=7.88.1-10", "libc6:amd64"],
            &["", "a b", "-y", "a;b", "$x"],
        );
        accepts::<ContainerPath>(
            &["/", "/etc/x", "/a//b/./c/"],
            &["", "a", "./a", "/a/../b", "/a\n"],
        );
        accepts::<User>(
            &["0", "65532:65532", "app", "app:staff"],
            &["", "a b", ":", "1:", "4294967296", "-x"],
        );
        accepts::<LabelKey>(&["a", "org.example/x_y-z"], &["", ".a", "a b", "a=b"]);
    }

    #[test]
    fn paths_are_normalised() {
        assert_eq!("/a//b/./c/".parse::<ContainerPath>().unwrap().as_str(), "/a/b/c");
    }
}
