//! The Docker Engine API, through bollard: this file and those below it are the only ones that name it.

mod attached;
mod build;
mod builder_output;
mod cleanup;
mod files;
mod images;
mod load;
mod run;
mod save;
mod session;
mod ssh;
mod steady;
mod sweep;
mod tls;

use std::error::Error as StdError;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

pub use attached::Listener;
pub use files::{ContainerFiles, FileStat, FileType};

use super::{Certificates, EngineAddress, EngineError, EngineInfo, EngineKind, Located, LookUp, locate};
use crate::oci::Platform;
use ssh::Tunnel;

/// How long the engine may think before it begins to answer a short question.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The same for what answers only when it is done, such as taking in gigabytes.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A container engine.
///
/// Cheap to clone. Each request has its own connection, so dropping the future of a request ends it at the
/// engine too.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    address: EngineAddress,
    info: Arc<OnceCell<EngineInfo>>,
    tunnel: Option<Arc<Tunnel>>,
    /// Removals that nobody waits for.
    removals: TaskTracker,
}

impl Engine {
    /// Finds the engine and asks it for one sign of life.
    ///
    /// Errors: [`EngineError::NoEngine`] only where none was named and none was found; a named engine that is
    /// dead is [`EngineError::Unreachable`].
    pub async fn connect(wanted: &EngineAddress, look_up: &LookUp) -> Result<Self, EngineError> {
        let is_socket = |path: &Path| path.metadata().is_ok_and(|meta| meta.file_type().is_socket());
        let located = locate(wanted, look_up, is_socket, |path| std::fs::read(path))?;
        let (address, chosen_by, certificates) = match located {
            Located::At {
                address,
                chosen_by,
                certificates,
            } => (address, chosen_by, certificates),
            Located::Nowhere { looked_at } => return Err(EngineError::NoEngine { looked_at }),
        };
        let (docker, tunnel) = open(&address, certificates.as_ref(), chosen_by.as_ref())?;
        let docker = docker.with_request_modifier(repair_logins);
        if let Err(error) = docker.ping().await {
            let folder = certificates.map(|it| it.folder);
            return Err(no_answer(&address, chosen_by, folder, tunnel.as_ref(), error));
        }
        Ok(Self {
            docker,
            address,
            info: Arc::default(),
            tunnel: tunnel.map(Arc::new),
            removals: TaskTracker::new(),
        })
    }

    /// Waits until all is removed that dropped requests left; a minute at most, after which a later sweep finds it.
    pub async fn settle(&self) {
        self.removals.close();
        let _ = tokio::time::timeout(Duration::from_secs(60), self.removals.wait()).await;
        self.removals.reopen();
    }

    /// Where the engine is.
    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// What the engine says of itself; asked once.
    pub async fn info(&self) -> Result<&EngineInfo, EngineError> {
        let ask = || async {
            let version = self
                .docker
                .version()
                .await
                .map_err(|error| self.failed("say its version", error))?;
            let components = version.components.unwrap_or_default();
            let podman = components
                .iter()
                .any(|component| component.name.starts_with("Podman"));
            let api = version.api_version.unwrap_or_default();
            let api = api
                .split_once('.')
                .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
                .unwrap_or((1, 24));
            let os = version.os.unwrap_or_else(|| "linux".to_owned());
            Ok(EngineInfo {
                kind: if podman {
                    EngineKind::Podman
                } else {
                    EngineKind::Docker
                },
                version: version.version.unwrap_or_default(),
                api,
                // Podman accepts a BuildKit build and silently does it with its own builder.
                buildkit: !podman && api >= (1, 39) && os == "linux",
                platform: Platform {
                    os,
                    architecture: version.arch.unwrap_or_default(),
                    variant: None,
                },
            })
        };
        self.info.get_or_try_init(ask).await
    }

    /// A client that waits as long as it takes; a dead engine still ends the wait, by closing the connection.
    fn patient(&self) -> Docker {
        self.docker.clone().with_timeout(PATIENCE)
    }

    /// What a failed request means.
    fn failed(&self, action: &str, error: Error) -> EngineError {
        let action = action.to_owned();
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                refused(action, message, Some(status_code))
            }
            Error::DockerStreamError { error } => refused(action, error, None),
            Error::RequestTimeoutError => EngineError::Timeout {
                address: self.address.to_string(),
                action,
            },
            error if is_broken_connection(&error) => EngineError::EngineDied {
                address: self.address.to_string(),
                during: "was working",
                source: Some(Box::new(error)),
            },
            error => EngineError::Answer {
                action,
                source: Box::new(error),
            },
        }
    }

    /// [`Engine::failed`], with the word for what the engine was doing when its connection broke.
    fn failed_during(&self, during: &'static str, action: &str, error: Error) -> EngineError {
        match self.failed(action, error) {
            EngineError::EngineDied { address, source, .. } => EngineError::EngineDied {
                address,
                during,
                source,
            },
            other => other,
        }
    }
}

fn refused(action: String, message: String, status: Option<u16>) -> EngineError {
    if message.contains("no space left on device") {
        return EngineError::NoSpace { action, message };
    }
    EngineError::Refused {
        action,
        message,
        status,
    }
}

/// A client for an address, with the tunnel that leads there, if one does.
fn open(
    address: &EngineAddress,
    certificates: Option<&Certificates>,
    chosen_by: Option<&String>,
) -> Result<(Docker, Option<Tunnel>), EngineError> {
    let unreachable = |source| EngineError::Unreachable {
        address: address.to_string(),
        chosen_by: chosen_by.cloned(),
        source,
    };
    let seconds = TIMEOUT.as_secs();
    let unix = |path: &Path| Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION);
    let opened = match address {
        EngineAddress::Tls(authority) => {
            let nowhere = Certificates {
                folder: PathBuf::from(".docker"),
                chosen_by: "neither DOCKER_CERT_PATH, DOCKER_CONFIG nor HOME is set".to_owned(),
            };
            return Ok((tls::open(authority, certificates.unwrap_or(&nowhere))?, None));
        }
        EngineAddress::Ssh(host) => {
            let tunnel = Tunnel::open(host).map_err(|error| unreachable(error.into()))?;
            let docker = unix(&tunnel.socket()).map_err(|error| unreachable(error.into()))?;
            return Ok((docker, Some(tunnel)));
        }
        EngineAddress::Tcp(authority) => {
            Docker::connect_with_http(&format!("tcp://{authority}"), seconds, API_DEFAULT_VERSION)
        }
        EngineAddress::Unix(path) => unix(path),
        EngineAddress::Auto => Err(Error::UnsupportedURISchemeError {
            uri: "auto".to_owned(),
        }),
    };
    Ok((opened.map_err(|error| unreachable(error.into()))?, None))
}

/// Why an engine gave no sign of life.
fn no_answer(
    address: &EngineAddress,
    chosen_by: Option<String>,
    folder: Option<PathBuf>,
    tunnel: Option<&Tunnel>,
    error: Error,
) -> EngineError {
    if let Some(tunnel) = tunnel {
        let (fault, said) = tunnel.fault();
        return EngineError::Ssh {
            address: address.to_string(),
            chosen_by,
            fault,
            said,
        };
    }
    if let Some(fault) = tls::fault(&error) {
        return EngineError::Tls {
            address: address.to_string(),
            fault,
            folder,
            source: Box::new(error),
        };
    }
    match (address, io_kind(&error)) {
        (EngineAddress::Unix(path), Some(io::ErrorKind::PermissionDenied)) => {
            EngineError::PermissionDenied { socket: path.clone() }
        }
        _ => EngineError::Unreachable {
            address: address.to_string(),
            chosen_by,
            source: Box::new(error),
        },
    }
}

/// Rewrites logins from the standard base64 alphabet to the URL-safe one.
///
/// bollard 0.21 encodes with the former, engines decode the latter and silently drop what they cannot decode,
/// so that a password with `?` or `~` at some offsets never arrives.
/// Source: moby, `api/pkg/authconfig`.
fn repair_logins(mut request: BollardRequest) -> BollardRequest {
    for name in ["x-registry-auth", "x-registry-config"] {
        let Some(value) = request.headers_mut().get_mut(name) else {
            continue;
        };
        let Ok(text) = value.to_str() else {
            continue;
        };
        if let Ok(repaired) = text.replace('+', "-").replace('/', "_").parse() {
            *value = repaired;
        }
    }
    request
}

/// The kind of the I/O error at the bottom of an error, if there is one.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    if matches!(error, Error::SocketNotFoundError(_)) {
        return Some(io::ErrorKind::NotFound);
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// Whether the engine went away, rather than answered badly.
fn is_broken_connection(error: &Error) -> bool {
    match error {
        Error::HyperLegacyError { .. } | Error::HyperResponseError { .. } => true,
        // A body that breaks off arrives as an I/O error whose kind bollard has dropped.
        Error::IOError { .. } => true,
        _ => false,
    }
}
