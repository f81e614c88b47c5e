//! Where an engine is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::EngineError;

/// What was asked for: `auto`, or one engine by its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EngineAddress {
    /// `DOCKER_HOST` if it is set, else the first socket found at a usual place.
    #[default]
    Auto,
    /// A unix socket, `unix:///path` or a plain absolute path.
    Unix(PathBuf),
    /// Plain HTTP, `tcp://host:port`. Anyone who reaches that port owns the engine's machine.
    Tcp(String),
}

impl FromStr for EngineAddress {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let invalid = |reason: &str| EngineError::Address {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (scheme, rest) = match text {
            "auto" => return Ok(Self::Auto),
            _ if text.starts_with('/') => ("unix", text),
            _ => text
                .split_once("://")
                .ok_or_else(|| invalid("expected `auto`, `unix:///path` or `tcp://host:port`"))?,
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err(invalid("the path of a unix socket is absolute: `unix:///path`")),
            "tcp" | "http" => {
                let authority = rest.trim_end_matches('/');
                let port = authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                match port {
                    Some(Ok(_)) if !authority.contains(['/', '@', '?', '#', ' ']) => {
                        Ok(Self::Tcp(authority.to_owned()))
                    }
                    _ => Err(invalid("expected `tcp://host:port`")),
                }
            }
            "ssh" => Err(invalid(
                "engines behind ssh are not supported by this build of flowimage",
            )),
            "https" => Err(invalid(
                "engines behind TLS are not supported by this build of flowimage",
            )),
            "npipe" => Err(invalid("named pipes exist on Windows only")),
            _ => Err(invalid("expected `auto`, `unix:///path` or `tcp://host:port`")),
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
        }
    }
}

/// What `auto` looks at, read from the machine once and handed in.
#[derive(Clone, Debug, Default)]
pub struct LookUp {
    /// The value of `DOCKER_HOST`, if it is set and not empty.
    pub docker_host: Option<String>,
    /// The value of `DOCKER_TLS_VERIFY`, if it is set and not empty.
    pub docker_tls_verify: Option<String>,
    /// The value of `XDG_RUNTIME_DIR`, if it is set and not empty.
    pub runtime_directory: Option<PathBuf>,
}

impl LookUp {
    /// Reads the variables through `variable`, usually [`std::env::var`].
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        Self {
            docker_host: set("DOCKER_HOST"),
            docker_tls_verify: set("DOCKER_TLS_VERIFY"),
            runtime_directory: set("XDG_RUNTIME_DIR").map(PathBuf::from),
        }
    }
}

/// Where an engine should be, or all the places where none is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// An address, and whether somebody chose it: then a dead engine is an error, not an absent one.
    At {
        /// Never [`EngineAddress::Auto`].
        address: EngineAddress,
        /// The words in which it was chosen, such as `DOCKER_HOST`; `None` where a socket was just found.
        chosen_by: Option<String>,
    },
    /// No socket at any of these places.
    Nowhere {
        /// The places, in the order tried.
        looked_at: Vec<String>,
    },
}

/// Resolves [`EngineAddress::Auto`]; `exists` says whether there is a socket at a path.
///
/// Order: `DOCKER_HOST`, Docker's socket, rootless Docker and Podman, Podman of the system.
/// Errors: a `DOCKER_HOST` in a form that cannot be used.
pub fn locate(
    wanted: &EngineAddress,
    look_up: &LookUp,
    exists: impl Fn(&Path) -> bool,
) -> Result<Located, EngineError> {
    if *wanted != EngineAddress::Auto {
        return Ok(Located::At {
            address: wanted.clone(),
            chosen_by: Some("the engine's address".to_owned()),
        });
    }
    if let Some(host) = &look_up.docker_host {
        let address = host.parse::<EngineAddress>()?;
        if matches!(address, EngineAddress::Tcp(_)) && look_up.docker_tls_verify.is_some() {
            // Falling back to plain HTTP would send what somebody wanted encrypted in the clear.
            return Err(EngineError::Address {
                address: host.clone(),
                reason: "DOCKER_TLS_VERIFY is set, and engines behind TLS are not supported by this build"
                    .to_owned(),
            });
        }
        if address != EngineAddress::Auto {
            return Ok(Located::At {
                address,
                chosen_by: Some("DOCKER_HOST".to_owned()),
            });
        }
    }
    let mut places = vec![PathBuf::from("/var/run/docker.sock")];
    if let Some(directory) = &look_up.runtime_directory {
        places.push(directory.join("docker.sock"));
        places.push(directory.join("podman/podman.sock"));
    }
    places.push(PathBuf::from("/run/podman/podman.sock"));
    match places.iter().find(|place| exists(place)) {
        Some(place) => Ok(Located::At {
            address: EngineAddress::Unix(place.clone()),
            chosen_by: None,
        }),
        None => Ok(Located::Nowhere {
            looked_at: places.iter().map(|place| place.display().to_string()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_and_says_what_is_wrong_with_others() {
        assert_eq!("auto".parse::<EngineAddress>().unwrap(), EngineAddress::Auto);
        assert_eq!(
            "unix:///a/b.sock".parse::<EngineAddress>().unwrap(),
            EngineAddress::Unix("/a/b.sock".into())
        );
        assert_eq!(
            "tcp://127.0.0.1:2375/".parse::<EngineAddress>().unwrap(),
            EngineAddress::Tcp("127.0.0.1:2375".into())
        );
        for (text, says) in [
            ("unix://relative", "absolute"),
            ("tcp://host", "tcp://host:port"),
            ("tcp://u@host:1", "tcp://host:port"),
            ("ssh://build", "ssh"),
            ("https://h:2376", "TLS"),
            ("docker", "auto"),
        ] {
            let error = text.parse::<EngineAddress>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn docker_host_wins_and_is_remembered_as_a_choice() {
        let look_up = LookUp::from_env(|name| (name == "DOCKER_HOST").then(|| "tcp://h:1".to_owned()));
        assert_eq!(
            locate(&EngineAddress::Auto, &look_up, |_| true).unwrap(),
            Located::At {
                address: EngineAddress::Tcp("h:1".into()),
                chosen_by: Some("DOCKER_HOST".into()),
            }
        );
    }

    #[test]
    fn tls_is_never_quietly_dropped() {
        let look_up = LookUp::from_env(|name| match name {
            "DOCKER_HOST" => Some("tcp://h:2376".to_owned()),
            "DOCKER_TLS_VERIFY" => Some("1".to_owned()),
            _ => None,
        });
        assert!(locate(&EngineAddress::Auto, &look_up, |_| true).is_err());
    }

    #[test]
    fn looks_for_podman_after_docker() {
        let look_up = LookUp {
            runtime_directory: Some("/run/user/7".into()),
            ..LookUp::default()
        };
        let podman = Path::new("/run/user/7/podman/podman.sock");
        assert_eq!(
            locate(&EngineAddress::Auto, &look_up, |path| path == podman).unwrap(),
            Located::At {
                address: EngineAddress::Unix(podman.into()),
                chosen_by: None,
            }
        );
        let Located::Nowhere { looked_at } = locate(&EngineAddress::Auto, &look_up, |_| false).unwrap()
        else {
            panic!("found an engine where there is none");
        };
        assert_eq!(looked_at.len(), 4);
    }
}
