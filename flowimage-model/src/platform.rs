//! Platforms of images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::suggest::suggest;
use crate::text::string_conversions;
use crate::value_error::{ValueError, shown};

/// Architectures that Linux images are made for, with the variants each has, as Go spells them.
///
/// Source: <https://github.com/containerd/platforms>.
const ARCHITECTURES: [(&str, &[&str]); 8] = [
    ("386", &[]),
    ("amd64", &["v1", "v2", "v3", "v4"]),
    ("arm", &["v5", "v6", "v7", "v8"]),
    ("arm64", &["v8", "v9"]),
    ("loong64", &[]),
    ("ppc64le", &[]),
    ("riscv64", &[]),
    ("s390x", &[]),
];

/// A platform, such as `linux/amd64` or `linux/arm/v7`. Always Linux.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    architecture: String,
    variant: Option<String>,
}

string_conversions!(Platform);

impl Platform {
    /// The architecture as Go spells it, such as `amd64`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant, such as `v7`.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || {
            ValueError::new(format!(
                "{} is no platform: expected one such as `linux/amd64`",
                shown(text)
            ))
        };
        let mut parts = text.split('/');
        let system = parts.next().unwrap_or_default();
        let Some(architecture) = parts.next() else {
            return Err(match spelled_by_go(system) {
                Some(go) => wrong().with_help(format!("write `linux/{go}`")),
                None => wrong(),
            });
        };
        let variant = parts.next();
        if parts.next().is_some() {
            return Err(wrong());
        }
        if system != "linux" {
            return Err(ValueError::new(format!(
                "images are made for `linux`, not for {}",
                shown(system)
            )));
        }
        let Some((_, variants)) = ARCHITECTURES.iter().find(|(known, _)| *known == architecture) else {
            let error = ValueError::new(format!("{} is no architecture of images", shown(architecture)));
            let near = spelled_by_go(architecture)
                .or_else(|| suggest(architecture, ARCHITECTURES.iter().map(|(name, _)| *name)));
            return Err(match near {
                Some(near) => error.with_help(format!("did you mean `linux/{near}`?")),
                None => {
                    let known: Vec<_> = ARCHITECTURES.iter().map(|(name, _)| *name).collect();
                    error.with_help(format!("expected one of: {}", known.join(", ")))
                }
            });
        };
        if let Some(variant) = variant
            && !variants.contains(&variant)
        {
            return Err(
                ValueError::new(format!("`{architecture}` has no variant {}", shown(variant))).with_help(
                    match variants {
                        [] => format!("write `linux/{architecture}`"),
                        some => format!("expected one of: {}", some.join(", ")),
                    },
                ),
            );
        }
        Ok(Self {
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        })
    }
}

/// Other names of an architecture: what `uname -m` and Rust's targets call it.
fn spelled_by_go(name: &str) -> Option<&'static str> {
    Some(match name {
        "x86_64" | "x86-64" | "x64" | "amd64" => "amd64",
        "aarch64" | "arm64" | "armv8" => "arm64",
        "armv7" | "armv7l" | "armhf" => "arm/v7",
        "i386" | "i686" | "x86" => "386",
        "riscv64gc" => "riscv64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_out_as_it_went_in() {
        for text in ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/s390x"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_spellings_are_told() {
        for (text, help) in [
            ("linux/x86_64", "did you mean `linux/amd64`?"),
            ("aarch64", "write `linux/arm64`"),
            ("linux/armv7l", "did you mean `linux/arm/v7`?"),
            ("linux/s390x/v1", "write `linux/s390x`"),
            ("linux/arm/v9", "expected one of: v5, v6, v7, v8"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap_err().help(), Some(help), "{text}");
        }
        for text in ["", "linux", "windows/amd64", "linux/arm/v7/x", "linux/"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
