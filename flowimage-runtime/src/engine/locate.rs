//! Where an engine should be: what was asked for, the environment, docker's context, and the usual sockets.

use std::io;
use std::path::{Path, PathBuf};

use flowimage_model::settings::EngineTable;

use super::docker_context::{self, Context};
use super::{EngineAddress, EngineError};

/// What decides where the engine is, read from the machine once and handed in.
#[derive(Clone, Debug, Default)]
pub struct LookUp {
    /// The value of `DOCKER_HOST`, if it is set and not empty.
    pub docker_host: Option<String>,
    /// The value of `DOCKER_TLS_VERIFY`, if it is set and not empty.
    pub docker_tls_verify: Option<String>,
    /// The value of `DOCKER_TLS`, if it is set and not empty.
    pub docker_tls: Option<String>,
    /// The value of `DOCKER_CERT_PATH`, if it is set and not empty.
    pub docker_cert_path: Option<PathBuf>,
    /// The value of `DOCKER_CONTEXT`, if it is set and not empty.
    pub docker_context: Option<String>,
    /// docker's own folder: the value of `DOCKER_CONFIG`, else `~/.docker`.
    pub docker_folder: Option<PathBuf>,
    /// The value of `XDG_RUNTIME_DIR`, if it is set and not empty.
    pub runtime_directory: Option<PathBuf>,
    /// `[engine]` of `flowimage.toml`, its path absolute.
    pub configured: EngineTable,
}

impl LookUp {
    /// Reads the variables through `variable`, usually [`std::env::var`].
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let folder = set("DOCKER_CONFIG").map(PathBuf::from);
        Self {
            docker_host: set("DOCKER_HOST"),
            docker_tls_verify: set("DOCKER_TLS_VERIFY"),
            docker_tls: set("DOCKER_TLS"),
            docker_cert_path: set("DOCKER_CERT_PATH").map(PathBuf::from),
            docker_context: set("DOCKER_CONTEXT"),
            docker_folder: folder.or_else(|| Some(PathBuf::from(set("HOME")?).join(".docker"))),
            runtime_directory: set("XDG_RUNTIME_DIR").map(PathBuf::from),
            configured: EngineTable::default(),
        }
    }

    /// Where docker keeps the certificates of the engine in `DOCKER_HOST`.
    fn certificates(&self) -> Option<Certificates> {
        match (&self.docker_cert_path, &self.docker_folder) {
            (Some(folder), _) => Some(Certificates::new(folder, "DOCKER_CERT_PATH")),
            (None, Some(folder)) => Some(Certificates::new(folder, "docker's folder")),
            (None, None) => None,
        }
    }
}

/// Where the certificates for mutual TLS are: `ca.pem`, `cert.pem` and `key.pem` in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The folder.
    pub folder: PathBuf,
    /// The words in which it was chosen.
    pub chosen_by: String,
}

impl Certificates {
    fn new(folder: &Path, chosen_by: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            chosen_by: chosen_by.to_owned(),
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
        /// What [`EngineAddress::Tls`] needs.
        certificates: Option<Certificates>,
    },
    /// No socket at any of these places.
    Nowhere {
        /// The places, in the order tried.
        looked_at: Vec<String>,
    },
}

/// Finds the engine that was asked for; `is_socket` says whether there is a socket at a path, `read` reads a file.
///
/// Order: the address asked for, `DOCKER_HOST`, `[engine]` of `flowimage.toml`, docker's context (`DOCKER_CONTEXT`, else
/// the one in use), Docker's socket, rootless Docker and Podman, Podman of the system.
/// Errors: a choice in a form that cannot be used, or that would quietly drop TLS.
/// Source: docker's own rules, but for the table and Podman.
pub fn locate(
    wanted: &EngineAddress,
    look_up: &LookUp,
    is_socket: impl Fn(&Path) -> bool,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Located, EngineError> {
    let table = &look_up.configured;
    if *wanted != EngineAddress::Auto {
        let located = at(wanted.clone(), "the engine's address", look_up)?;
        return Ok(match &look_up.docker_cert_path {
            Some(_) => located,
            None => with_table(located, table),
        });
    }
    if let Some(host) = &look_up.docker_host {
        let address = host.parse::<EngineAddress>()?;
        if address != EngineAddress::Auto {
            return at(address, "DOCKER_HOST", look_up);
        }
    }
    if let Some(host) = &table.host {
        let address = host.parse::<EngineAddress>()?;
        if address != EngineAddress::Auto {
            return Ok(with_table(
                at(address, "[engine] in flowimage.toml", look_up)?,
                table,
            ));
        }
    }
    if let Some(Context {
        name,
        host,
        certificates,
    }) = docker_context::in_use(look_up, read)?
    {
        let chosen_by = format!("docker's context `{name}`");
        return Ok(Located::At {
            address: secured(host.parse()?, certificates.is_some()),
            certificates: certificates.map(|folder| Certificates::new(&folder, &chosen_by)),
            chosen_by: Some(chosen_by),
        });
    }
    Ok(usual(look_up, is_socket))
}

/// The certificates of the project's table, for the engine it names or that a command names.
fn with_table(located: Located, table: &EngineTable) -> Located {
    match (located, &table.cert_path) {
        (
            Located::At {
                address, chosen_by, ..
            },
            Some(folder),
        ) => Located::At {
            address: secured(address, true),
            chosen_by,
            certificates: Some(Certificates::new(
                Path::new(folder),
                "`cert_path` of [engine] in flowimage.toml",
            )),
        },
        (located, _) => located,
    }
}

/// An address that was chosen beside docker's variables for TLS, which then count.
fn at(address: EngineAddress, chosen_by: &str, look_up: &LookUp) -> Result<Located, EngineError> {
    let verify = look_up.docker_tls_verify.is_some();
    if matches!(address, EngineAddress::Tcp(_)) && look_up.docker_tls.is_some() && !verify {
        // Plain HTTP would send what somebody wanted encrypted in the clear.
        return Err(EngineError::Address {
            address: address.to_string(),
            reason: "DOCKER_TLS asks for TLS with whoever answers: set DOCKER_TLS_VERIFY=1 instead"
                .to_owned(),
        });
    }
    Ok(Located::At {
        address: secured(address, verify),
        chosen_by: Some(chosen_by.to_owned()),
        certificates: look_up.certificates(),
    })
}

/// `tcp://` is TLS where that is asked for.
fn secured(address: EngineAddress, tls: bool) -> EngineAddress {
    match address {
        EngineAddress::Tcp(authority) if tls => EngineAddress::Tls(authority),
        other => other,
    }
}

/// The first socket at a usual place.
fn usual(look_up: &LookUp, is_socket: impl Fn(&Path) -> bool) -> Located {
    let mut places = vec![PathBuf::from("/var/run/docker.sock")];
    if let Some(directory) = &look_up.runtime_directory {
        places.push(directory.join("docker.sock"));
        places.push(directory.join("podman/podman.sock"));
    }
    places.push(PathBuf::from("/run/podman/podman.sock"));
    match places.iter().find(|place| is_socket(place)) {
        Some(place) => Located::At {
            address: EngineAddress::Unix(place.clone()),
            chosen_by: None,
            certificates: None,
        },
        None => Located::Nowhere {
            looked_at: places.iter().map(|place| place.display().to_string()).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> LookUp {
        LookUp::from_env(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn nothing(_: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn found(wanted: &str, look_up: &LookUp) -> (String, Option<String>, Option<Certificates>) {
        match locate(&wanted.parse().unwrap(), look_up, |_| true, nothing).unwrap() {
            Located::At {
                address,
                chosen_by,
                certificates,
            } => (address.to_string(), chosen_by, certificates),
            Located::Nowhere { .. } => panic!("nothing found"),
        }
    }

    #[test]
    fn docker_host_wins_and_is_remembered_as_a_choice() {
        let mut look_up = from(&[("DOCKER_HOST", "tcp://h:1")]);
        look_up.configured.host = Some("tcp://table:1".to_owned());
        assert_eq!(
            found("auto", &look_up),
            ("tcp://h:1".to_owned(), Some("DOCKER_HOST".to_owned()), None)
        );
        let (address, chosen_by, _) = found("unix:///a", &look_up);
        assert_eq!(
            (address.as_str(), chosen_by.as_deref()),
            ("unix:///a", Some("the engine's address"))
        );
    }

    #[test]
    fn tls_is_never_quietly_dropped() {
        let verify = ("DOCKER_TLS_VERIFY", "1");
        for (wanted, host) in [("auto", "tcp://h:2376"), ("tcp://h:2376", "unix:///other")] {
            let look_up = from(&[
                ("DOCKER_HOST", host),
                verify,
                ("DOCKER_CERT_PATH", "/certs"),
                ("HOME", "/home/me"),
            ]);
            let (address, _, certificates) = found(wanted, &look_up);
            assert_eq!(address, "https://h:2376");
            assert_eq!(
                certificates,
                Some(Certificates::new(Path::new("/certs"), "DOCKER_CERT_PATH"))
            );
        }
        let (_, _, certificates) = found("https://h:1", &from(&[("HOME", "/home/me")]));
        assert_eq!(certificates.unwrap().folder, Path::new("/home/me/.docker"));
        let unverified = from(&[("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS", "1")]);
        let error = locate(&EngineAddress::Auto, &unverified, |_| true, nothing).unwrap_err();
        assert!(error.to_string().contains("DOCKER_TLS_VERIFY=1"), "{error}");
    }

    #[test]
    fn the_table_of_the_project_is_used_where_the_environment_is_silent() {
        let mut look_up = from(&[("HOME", "/home/me"), ("DOCKER_CERT_PATH", "/other")]);
        look_up.configured = EngineTable {
            host: Some("tcp://builder:2376".to_owned()),
            cert_path: Some("/project/certs".to_owned()),
        };
        let (address, chosen_by, certificates) = found("auto", &look_up);
        assert_eq!(
            (address.as_str(), chosen_by.as_deref()),
            ("https://builder:2376", Some("[engine] in flowimage.toml"))
        );
        assert_eq!(certificates.unwrap().folder, Path::new("/project/certs"));
        look_up.docker_cert_path = None;
        let (address, _, certificates) = found("tcp://named:1", &look_up);
        assert_eq!(address, "https://named:1");
        assert_eq!(certificates.unwrap().folder, Path::new("/project/certs"));
        look_up.docker_host = Some("tcp://plain:1".to_owned());
        assert_eq!(found("auto", &look_up).0, "tcp://plain:1");
    }

    #[test]
    fn looks_for_podman_after_docker() {
        let look_up = from(&[("XDG_RUNTIME_DIR", "/run/user/7")]);
        let podman = Path::new("/run/user/7/podman/podman.sock");
        assert_eq!(
            locate(&EngineAddress::Auto, &look_up, |path| path == podman, nothing).unwrap(),
            Located::At {
                address: EngineAddress::Unix(podman.into()),
                chosen_by: None,
                certificates: None,
            }
        );
        let Located::Nowhere { looked_at } =
            locate(&EngineAddress::Auto, &look_up, |_| false, nothing).unwrap()
        else {
            panic!("found an engine where there is none");
        };
        assert_eq!(looked_at.len(), 4);
    }
}
