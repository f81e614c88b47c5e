//! Secrets that a build may read and no layer keeps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::EnvName;
use crate::suggest::suggest;
use crate::text::string_conversions;
use crate::value_error::{ValueError, shown};

/// A secret of the build: never its value, only where that is found when the image is built.
///
/// Forms, as with `docker build --secret`: `TOKEN` (the environment variable of that name, under that id),
/// `id=token,env=VAR`, `id=netrc,src=path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret {
    /// The id by which a step of the build asks for it.
    pub id: String,
    /// Where its value is.
    pub source: SecretSource,
}

/// Where a secret's value is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretSource {
    /// In an environment variable of the command that builds.
    Env(EnvName),
    /// In a file, relative to the crate or absolute.
    File(String),
}

string_conversions!(Secret);

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            SecretSource::Env(name) if name.as_str() == self.id => f.write_str(&self.id),
            SecretSource::Env(name) => write!(f, "id={},env={name}", self.id),
            SecretSource::File(path) => write!(f, "id={},src={path}", self.id),
        }
    }
}

impl FromStr for Secret {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const FORMS: &str = "expected `NAME`, `id=name,env=NAME` or `id=name,src=path`";
        if !text.contains(['=', ',']) {
            let name: EnvName = text
                .parse()
                .map_err(|_| ValueError::new(format!("{} is no secret: {FORMS}", shown(text))))?;
            return Ok(Self {
                id: text.to_owned(),
                source: SecretSource::Env(name),
            });
        }
        let (mut id, mut env, mut src) = (None, None, None);
        for part in text.split(',') {
            let (word, value) = part.split_once('=').unwrap_or((part, ""));
            let slot = match word {
                "id" => &mut id,
                "env" => &mut env,
                "src" | "source" => &mut src,
                "type" if matches!(value, "env" | "file") => continue,
                other => {
                    let error = ValueError::new(format!("a secret has no {}: {FORMS}", shown(other)));
                    return Err(match suggest(other, ["id", "env", "src"]) {
                        Some(near) => error.with_help(format!("did you mean `{near}`?")),
                        None => error,
                    });
                }
            };
            if value.is_empty() {
                return Err(ValueError::new(format!(
                    "`{word}` of a secret has no value: {FORMS}"
                )));
            }
            if slot.replace(value).is_some() {
                return Err(ValueError::new(format!("`{word}` stands twice in a secret")));
            }
        }
        let id = id.ok_or_else(|| {
            ValueError::new(format!("{} has no `id`: {FORMS}", shown(text)))
                .with_help("steps ask for a secret by its id")
        })?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !id.bytes().all(fits) || id.starts_with('.') {
            return Err(ValueError::new(format!(
                "{} is no id of a secret: expected letters, digits, `-`, `_` and `.`",
                shown(id)
            )));
        }
        let source = match (env, src) {
            (Some(_), Some(_)) => {
                return Err(ValueError::new("a secret has one source: `env` or `src`"));
            }
            (Some(name), None) => SecretSource::Env(name.parse()?),
            (None, Some(path)) => SecretSource::File(path.to_owned()),
            (None, None) => SecretSource::Env(id.parse().map_err(|_| {
                ValueError::new(format!("the secret `{id}` has no source"))
                    .with_help("add `env=NAME` or `src=path`")
            })?),
        };
        Ok(Self {
            id: id.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_out_as_it_went_in() {
        for text in ["TOKEN", "id=token,env=VAR", "id=netrc,src=/root/.netrc"] {
            assert_eq!(text.parse::<Secret>().unwrap().to_string(), text);
        }
        assert_eq!("id=TOKEN".parse::<Secret>().unwrap().to_string(), "TOKEN");
        assert_eq!(
            "type=file,id=a,source=b".parse::<Secret>().unwrap().to_string(),
            "id=a,src=b"
        );
    }

    #[test]
    fn the_rest_is_refused() {
        for text in [
            "",
            "my-token",
            "id=a/b,env=X",
            "env=X",
            "id=a,env=X,src=y",
            "id=a,id=b",
            "id=my-token",
            "id=,env=X",
            "id=a,value=hunter2",
            "id=a,env=1X",
        ] {
            assert!(text.parse::<Secret>().is_err(), "{text}");
        }
    }
}
