//! Versions of Python.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::text_value;
use crate::value_error::{ValueError, shown};

/// A version of Python 3: `3.12`, or `3.12.4`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PythonVersion(String);
text_value!(PythonVersion);

impl PythonVersion {
    /// Major and minor alone, such as `3.12`.
    pub fn minor(&self) -> &str {
        match self.0.match_indices('.').nth(1) {
            Some((at, _)) => &self.0[..at],
            None => &self.0,
        }
    }
}

impl FromStr for PythonVersion {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts: Vec<_> = text.split('.').collect();
        let number = |part: &&str| {
            (1..=3).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part.len() == 1 || !part.starts_with('0'))
        };
        let error = |help: &str| {
            Err(ValueError::new(format!(
                "{} is no version of Python: expected one such as `3.12`",
                shown(text)
            ))
            .with_help(help))
        };
        if !parts.iter().all(number) {
            return error("operators belong into `python_dependencies`: here stands the version alone");
        }
        match parts[..] {
            ["3", _] | ["3", _, _] => Ok(Self(text.to_owned())),
            ["3"] => error("write the minor version too: images differ by it"),
            ["2", ..] => error("Python 2 has no images that are still kept up to date"),
            _ => error("write major and minor, `3.12`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_python_3_alone() {
        for good in ["3.8", "3.12", "3.13.1"] {
            assert_eq!(good.parse::<PythonVersion>().unwrap().as_str(), good);
        }
        for bad in ["", "3", "2.7", "3.x", ">=3.8", "3.08", "3.12.1.1", "4.0", "v3.12"] {
            assert!(bad.parse::<PythonVersion>().is_err(), "{bad}");
        }
        assert_eq!("3.13.1".parse::<PythonVersion>().unwrap().minor(), "3.13");
        assert_eq!("3.13".parse::<PythonVersion>().unwrap().minor(), "3.13");
    }
}
