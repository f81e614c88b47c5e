//! What can go wrong with a Prefect server, and what to do.

use std::path::PathBuf;

use crate::advice::Advise;

/// Why Prefect could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrefectError {
    /// `PREFECT_API_URL` is no address.
    #[error("PREFECT_API_URL is {}, which is no address of an API", hide_password(.0))]
    Address(String),
    /// The certificates to trust.
    #[error("PREFECT_API_SSL_CERT_FILE names {}, which {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No client can be made on this machine.
    #[error("no connection to {url} can be made")]
    Client {
        /// The API.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// No answer.
    #[error("the Prefect server at {url} does not answer")]
    Unreachable {
        /// The API.
        url: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It wants other credentials.
    #[error("the Prefect server at {url} refuses {}", known.map_or("to go on without credentials", |_| "the credentials it was given"))]
    Unauthorized {
        /// The API.
        url: String,
        /// The variable the refused ones came from.
        known: Option<&'static str>,
    },
    /// Something else listens there.
    #[error("{url} is no Prefect API: {said}")]
    NotPrefect {
        /// The address.
        url: String,
        /// Its answer.
        said: String,
    },
    /// A server older than what is sent to it.
    #[error("the Prefect server at {url} has version {version}")]
    Old {
        /// The API.
        url: String,
        /// Its version.
        version: String,
    },
    /// Another answer than was hoped for.
    #[error("the Prefect server answered {status} to {what}: {said}")]
    Answer {
        /// The status.
        status: u16,
        /// Method and path.
        what: String,
        /// Its words.
        said: String,
    },
    /// No such work pool.
    #[error("the Prefect server has no work pool `{name}`{}", have(known))]
    NoPool {
        /// The name.
        name: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// A pool whose jobs cannot be given an image or command.
    #[error("the work pool `{pool}` (type `{kind}`) takes no `{variable}`")]
    Template {
        /// Its name.
        pool: String,
        /// Its type.
        kind: String,
        /// The job variable.
        variable: &'static str,
    },
    /// A work pool type that cannot be created here.
    #[error("a work pool of type `{0}` is not created from here")]
    Kind(String),
    /// A name that Prefect does not take.
    #[error("Prefect takes no {what} named `{name}`: {reason}")]
    Name {
        /// Flow, deployment or work pool.
        what: &'static str,
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Images that no worker could pull.
    #[error(
        "the work pool `{pool}` (type `{kind}`) runs images of a registry, and `{flow}` is pushed to none"
    )]
    NoRegistry {
        /// The pool.
        pool: String,
        /// Its type.
        kind: String,
        /// The flow.
        flow: String,
    },
    /// The run is not to be begun by this process.
    #[error("the flow run is not begun: {0}")]
    NotToBegin(String),
}

impl Advise for PrefectError {
    fn advice(&self) -> Option<String> {
        Some(match self {
            PrefectError::Address(_) => {
                "write it as http://HOST:4200/api; a password belongs in PREFECT_API_AUTH_STRING".to_owned()
            }
            PrefectError::Certificates { .. } => {
                "name a PEM file; in a container it must be mounted or declared in `files`".to_owned()
            }
            PrefectError::Client { .. } => "https needs certificates to trust: declare the system's bundle in `files`, \
                 for example \"/etc/ssl/certs/ca-certificates.crt\", or set PREFECT_API_SSL_CERT_FILE"
                .to_owned(),
            PrefectError::Unreachable { .. } => {
                "check PREFECT_API_URL, and that the server runs (`prefect server start`)".to_owned()
            }
            PrefectError::Unauthorized { known: Some(variable), .. } => format!("check {variable}"),
            PrefectError::Unauthorized { known: None, .. } => {
                "set PREFECT_API_AUTH_STRING (user:password of your server) or PREFECT_API_KEY (Prefect Cloud)".to_owned()
            }
            PrefectError::NotPrefect { .. } => "PREFECT_API_URL ends in /api for a server of your own".to_owned(),
            PrefectError::Old { .. } => "flowimage needs Prefect 3.2 or newer".to_owned(),
            PrefectError::Answer { status: 403, .. } => "ask for the right to do it".to_owned(),
            PrefectError::Answer { status: 503 | 429, .. } => {
                "the server is overloaded; one on SQLite soon is: give it PostgreSQL, and run the command again".to_owned()
            }
            PrefectError::Answer { .. } => return None,
            PrefectError::NoPool { name, .. } => format!(
                "create it (`prefect work-pool create {name} --type docker`), or let `register --create-work-pool docker` do it"
            ),
            PrefectError::Template { variable, .. } => {
                format!("give the pool's base job template the variable `{variable}`, or name another pool")
            }
            PrefectError::Kind(_) => "types created here are docker, process and kubernetes; create others with \
                 `prefect work-pool create`"
                .to_owned(),
            PrefectError::Name { .. } => "choose another name".to_owned(),
            PrefectError::NoRegistry { .. } => {
                "set `registry_url` or `--registry`, or use a work pool of type `process`".to_owned()
            }
            PrefectError::NotToBegin(_) => return None,
        })
    }
}

fn have(known: &[String]) -> String {
    match known {
        [] => "; it has none".to_owned(),
        known => format!("; it has {}", known.join(", ")),
    }
}

/// An address that did not parse may still hold a password.
fn hide_password(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{host}")
        }
        None => address.to_owned(),
    }
}
