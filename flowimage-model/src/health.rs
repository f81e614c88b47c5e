//! What a declaration says of the image's health checks.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::suggest::instead;
use crate::text::text_value;
use crate::value_error::{ValueError, shown};

/// The names of the health checks, in the order they are shown. Those of commands and Rust functions begin with the
/// name here, and go on with `: ` and the command or function.
pub const PROBES: [&str; 14] = [
    "compiler profile",
    "platform and C library",
    "shared libraries",
    "dynamic libraries",
    "files",
    "env_vars",
    "user",
    "commands",
    "the flow loads",
    "python_dependencies",
    "pip check",
    "health_checks",
    "Rust health check",
    "dry run",
];

/// The name of a health check: one of [`PROBES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProbeName(String);
text_value!(ProbeName);

impl FromStr for ProbeName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if PROBES.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        let error = ValueError::new(format!("{} is no health check", shown(text)));
        Err(error.with_help(instead(text, &PROBES)))
    }
}

/// A shared library that a program opens at run time: its file's name, searched as the loader does, or its absolute
/// path in the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LibraryName(String);
text_value!(LibraryName);

impl FromStr for LibraryName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = ValueError::new(format!(
            "{} is no shared library: expected a file's name such as `libtdsodbc.so`, or an absolute path",
            shown(text)
        ));
        if text.contains('/') && !text.starts_with('/') {
            return Err(error.with_help("write the whole path in the image, from `/`, or the name alone"));
        }
        let name = text.rsplit('/').next().unwrap_or_default();
        let is_text = !text.chars().any(|it| it.is_control() || it.is_whitespace());
        let climbs = text.split('/').any(|part| part == "..");
        if is_text && !climbs && name.contains(".so") && text.len() <= 255 {
            return Ok(Self(text.to_owned()));
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_names_or_whole_paths() {
        for good in ["libtdsodbc.so", "libodbc.so.2", "/opt/driver/lib/libx.so"] {
            assert!(good.parse::<LibraryName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "tdsodbc",
            "odbc/libx.so",
            "/a/../libx.so",
            "lib x.so",
            "/usr/lib.so/",
        ] {
            assert!(bad.parse::<LibraryName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_probe_is_named() {
        let error = "pipcheck".parse::<ProbeName>().unwrap_err();
        assert_eq!(error.help(), Some("did you mean `pip check`?"));
    }
}
