//! What can go wrong with an engine.

use std::path::{Path, PathBuf};

use super::{ArchiveError, BuildFailure, SavedError};
use crate::Advise;
use crate::oci::Digest;

/// The cause below an [`EngineError`], opaque so that the client library's releases are not ours.
pub type Transport = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong with an engine, by what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An address that cannot be used.
    #[error("`{address}` cannot be used as an engine's address: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No engine was named and none was found.
    #[error("no container engine was found (looked at {})", looked_at.join(", "))]
    NoEngine {
        /// The places, in the order tried.
        looked_at: Vec<String>,
    },
    /// Nothing answers at the address.
    #[error("no engine answers at {address}{}", chosen_by.as_ref().map(|by| format!(" (from {by})")).unwrap_or_default())]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What named the address, such as `DOCKER_HOST`.
        chosen_by: Option<String>,
        /// Why.
        #[source]
        source: Transport,
    },
    /// A context of docker that is chosen and cannot be read.
    #[error("docker's context `{name}` cannot be used: {}: {reason}", file.display())]
    DockerContext {
        /// The context.
        name: String,
        /// What describes it.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key for the engine that cannot be read.
    #[error("cannot use {} (from {chosen_by}) for the engine at {address}: {reason}", file.display())]
    Certificate {
        /// The engine's address.
        address: String,
        /// The file.
        file: PathBuf,
        /// What named its folder.
        chosen_by: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The two sides do not trust each other, or one does not speak TLS.
    #[error("no trust between here and the engine at {address}: {fault}")]
    Tls {
        /// The engine's address.
        address: String,
        /// Who refused what.
        fault: TlsFault,
        /// Folder of the certificates, where some were used.
        folder: Option<PathBuf>,
        /// Why.
        #[source]
        source: Transport,
    },
    /// `ssh` does not get to the engine.
    #[error("ssh does not reach the engine at {address}{}: {fault}: {said}", chosen_by.as_ref().map(|by| format!(" (from {by})")).unwrap_or_default())]
    Ssh {
        /// The engine's address.
        address: String,
        /// What named the address.
        chosen_by: Option<String>,
        /// How far it got.
        fault: SshFault,
        /// Its last words.
        said: String,
    },
    /// The socket is there and may not be used.
    #[error("permission denied at the engine's socket {}", socket.display())]
    PermissionDenied {
        /// The socket.
        socket: PathBuf,
    },
    /// The connection broke in the middle of something.
    #[error("the engine at {address} closed the connection while it {during}")]
    EngineDied {
        /// The engine's address.
        address: String,
        /// What it was doing, such as `was building`.
        during: &'static str,
        /// Why, where it is known.
        #[source]
        source: Option<Transport>,
    },
    /// The engine did not answer in time.
    #[error("the engine at {address} did not answer in time when asked to {action}")]
    Timeout {
        /// The engine's address.
        address: String,
        /// What was asked.
        action: String,
    },
    /// The base image exists neither here nor at its registry.
    #[error("the image {reference} was not found: {message}")]
    BaseNotFound {
        /// The image.
        reference: String,
        /// The engine's words.
        message: String,
    },
    /// The registry does not let us read the image.
    #[error("the registry refused to serve {reference}: {message}")]
    PullUnauthorized {
        /// The image.
        reference: String,
        /// The engine's words.
        message: String,
    },
    /// The engine does not get to the image's registry, or does not trust it.
    #[error("{reference} cannot be pulled: {fault}: {message}")]
    Registry {
        /// The image.
        reference: String,
        /// How far it got.
        fault: RegistryFault,
        /// The engine's words.
        message: String,
    },
    /// The registry does not let us write.
    #[error("the registry refused to take {reference}: {message}")]
    PushUnauthorized {
        /// The image.
        reference: String,
        /// The engine's words.
        message: String,
    },
    /// The engine's disk is full.
    #[error("the engine has no space left to {action}: {message}")]
    NoSpace {
        /// What was asked.
        action: String,
        /// The engine's words.
        message: String,
    },
    /// A step of a build failed.
    #[error(transparent)]
    Build(Box<BuildFailure>),
    /// The build context could not be read.
    #[error("cannot read the build context")]
    Context(#[source] std::io::Error),
    /// This engine cannot do it.
    #[error("{engine} cannot {what}")]
    Unsupported {
        /// What was asked.
        what: String,
        /// The engine, with its version.
        engine: String,
    },
    /// There is no such image in the engine.
    #[error("the engine has no image {reference}")]
    NoImage {
        /// Name or ID.
        reference: String,
    },
    /// The engine holds something else than what was sent.
    #[error("the engine gave the loaded image the ID {got} instead of {expected}")]
    WrongImage {
        /// What was sent.
        expected: Digest,
        /// What the engine has.
        got: String,
    },
    /// Layers that neither the engine nor this machine has.
    #[error(
        "layer {diff_id} of the image is only at {repository}: it must be pulled before the image can be loaded"
    )]
    LayerElsewhere {
        /// The layer.
        diff_id: Digest,
        /// Where it is.
        repository: String,
    },
    /// The archive for the engine could not be written.
    #[error("cannot write the image archive for the engine")]
    Archive(#[source] ArchiveError),
    /// The engine's export of an image is not what it should be.
    #[error("cannot read the engine's export of {image}")]
    Export {
        /// Name or ID.
        image: String,
        /// What is wrong with it.
        #[source]
        source: SavedError,
    },
    /// A path in an image that cannot be read.
    #[error("cannot read {path} in the image: {reason}")]
    File {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A name that no image can have.
    #[error("`{0}` is not an image's name or ID")]
    Name(String),
    /// Any other answer of the engine.
    #[error("the engine failed to {action}: {message}")]
    Refused {
        /// What was asked.
        action: String,
        /// The engine's words.
        message: String,
        /// The HTTP status, where the failure came as one.
        status: Option<u16>,
    },
    /// An answer that cannot be read.
    #[error("cannot understand the engine's answer when asked to {action}")]
    Answer {
        /// What was asked.
        action: String,
        /// What is wrong with it.
        #[source]
        source: Transport,
    },
}

/// What the two sides of a TLS connection can hold against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Its certificate is not signed by our authority.
    #[error("its certificate is not one that `ca.pem` vouches for")]
    UnknownEngine,
    /// Its certificate is for another name.
    #[error("its certificate is for another host")]
    OtherHost,
    /// Its certificate is out of date.
    #[error("its certificate has expired, or is not valid yet")]
    Expired,
    /// It does not accept ours.
    #[error("it does not accept our certificate `cert.pem`")]
    Refused,
    /// It speaks plain HTTP.
    #[error("what listens there does not speak TLS")]
    Plain,
    /// It speaks TLS, and was asked without.
    #[error("it speaks TLS, and was asked in plain HTTP")]
    Encrypted,
    /// Anything else.
    #[error("the TLS handshake failed")]
    Other,
}

/// What stands between an engine and a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryFault {
    /// Its host has no address.
    #[error("the engine finds no address for the registry's name")]
    Name,
    /// Nothing answers.
    #[error("the registry does not answer the engine")]
    Connection,
    /// Its certificate is signed by nobody whom the engine knows, out of date, or for another host.
    #[error("the engine does not trust the registry's certificate")]
    Certificate,
    /// It speaks plain HTTP.
    #[error("the registry speaks plain HTTP, and the engine TLS")]
    Plain,
}

/// How far `ssh` got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshFault {
    /// There is no program `ssh`.
    #[error("the program `ssh` cannot be started")]
    NoProgram,
    /// The host's key is not a known one.
    #[error("the host's key is unknown, or not the one it had")]
    HostKey,
    /// The host does not let us in.
    #[error("the host does not let us in")]
    Refused,
    /// No host answers.
    #[error("no host answers")]
    Dead,
    /// The host has no `docker`.
    #[error("the host has no program `docker`")]
    NoDocker,
    /// The host's `docker` has no engine, or something else.
    #[error("it got in, and found no engine")]
    NoEngine,
}

impl From<BuildFailure> for EngineError {
    fn from(failure: BuildFailure) -> Self {
        Self::Build(Box::new(failure))
    }
}

impl Advise for EngineError {
    fn advice(&self) -> Option<String> {
        let text = match self {
            Self::NoEngine { .. } => {
                "Start Docker or Podman (`systemctl --user start podman.socket`), or say where the engine is with \
                 `--engine unix:///path` or DOCKER_HOST."
                    .to_owned()
            }
            Self::Unreachable { chosen_by: Some(by), address, .. } => {
                format!("Start the engine at {address}, or correct {by}; `docker version` shows whether it answers.")
            }
            Self::Unreachable { address, .. } => {
                format!("A socket is there but nothing listens: start the engine of {address}.")
            }
            Self::DockerContext { name, .. } => format!(
                "`docker context inspect {name}` shows it and `docker context use default` leaves it; DOCKER_HOST or \
                 `--engine` with an address is used instead of any context."
            ),
            Self::Certificate { .. } => {
                "A folder with `ca.pem`, `cert.pem` and `key.pem` is needed: set DOCKER_CERT_PATH to it.".to_owned()
            }
            Self::Tls { fault, folder, .. } => tls_advice(*fault, folder.as_deref()),
            Self::Ssh { fault, address, .. } => ssh_advice(*fault, address),
            Self::PermissionDenied { .. } => {
                "Add yourself to the socket's group (usually `sudo usermod -aG docker $USER`, then log in again), or \
                 use a rootless engine."
                    .to_owned()
            }
            Self::EngineDied { .. } => {
                "Look at the engine's log (`journalctl -u docker`), start it again and repeat the command: nothing \
                 was tagged or registered."
                    .to_owned()
            }
            Self::Timeout { .. } => "See whether the engine is overloaded or hangs (`docker info`).".to_owned(),
            Self::BaseNotFound { .. } => {
                "Check the image's name, tag and platform. If it was built on this machine and never pushed, set \
                 `local_image = true` and build it first."
                    .to_owned()
            }
            Self::PullUnauthorized { reference, .. } | Self::PushUnauthorized { reference, .. } => {
                format!("Check the name, and log in with `docker login {}`.", registry_of(reference))
            }
            Self::Registry { reference, fault, .. } => registry_advice(*fault, registry_of(reference)),
            Self::NoSpace { .. } => {
                "Free space where the engine keeps its data: `docker system df` shows what takes it, `docker system \
                 prune` removes what nothing uses."
                    .to_owned()
            }
            Self::Build(failure) => return failure.advice(),
            Self::LayerElsewhere { repository, .. } => format!("Pull the base from {repository} first."),
            Self::NoImage { .. } => "Build or pull it first.".to_owned(),
            _ => return None,
        };
        Some(text)
    }
}

fn tls_advice(fault: TlsFault, folder: Option<&Path>) -> String {
    let folder = folder.map_or("the folder of DOCKER_CERT_PATH".to_owned(), |folder| {
        folder.display().to_string()
    });
    match fault {
        TlsFault::UnknownEngine => format!(
            "Put the authority that signed the engine's certificate into `ca.pem` in {folder}. If it is there, somebody \
             else answers at this address."
        ),
        TlsFault::OtherHost => {
            "Use the name or address that the engine's certificate has (`openssl x509 -ext subjectAltName`), or have \
             one made for this."
                .to_owned()
        }
        TlsFault::Expired => "Have a new certificate made for the engine, and check this machine's clock.".to_owned(),
        TlsFault::Refused => format!(
            "The engine wants a client certificate of its own authority: put it and its key into `cert.pem` and \
             `key.pem` in {folder}."
        ),
        TlsFault::Plain => {
            "Check host and port; for an engine without TLS unset DOCKER_TLS_VERIFY and write `tcp://`.".to_owned()
        }
        TlsFault::Encrypted => "Set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of its certificates."
            .to_owned(),
        TlsFault::Other => format!("`openssl s_client -connect HOST:PORT` with the files in {folder} shows more."),
    }
}

fn registry_advice(fault: RegistryFault, registry: &str) -> String {
    match fault {
        RegistryFault::Name => format!(
            "Correct the registry's name `{registry}`; if it is right, the engine's machine needs a DNS server that \
             knows it (/etc/resolv.conf there)."
        ),
        RegistryFault::Connection => format!(
            "Check host and port of `{registry}`, and that the engine's machine reaches it; a proxy that it needs is \
             set as `\"proxies\"` in /etc/docker/daemon.json there."
        ),
        RegistryFault::Certificate => format!(
            "Copy the certificate of the authority that signed the registry's to /etc/docker/certs.d/{registry}/ca.crt \
             on the engine's machine (Podman: /etc/containers/certs.d/{registry}/ca.crt), and check the clock there."
        ),
        RegistryFault::Plain => format!(
            "Give the registry a certificate, or let the engine do without: `\"insecure-registries\": \
             [\"{registry}\"]` in /etc/docker/daemon.json on its machine."
        ),
    }
}

fn ssh_advice(fault: SshFault, address: &str) -> String {
    match fault {
        SshFault::NoProgram => "Install the OpenSSH client (Debian: `openssh-client`).".to_owned(),
        SshFault::HostKey => format!(
            "Connect once by hand (`ssh {address}`), compare the key's fingerprint with what the host's owner says, and \
             accept it; remove a key that was replaced with `ssh-keygen -R`."
        ),
        SshFault::Refused => format!(
            "`ssh {address}` must work without a question: load the key with `ssh-add`, or put it there with \
             `ssh-copy-id`."
        ),
        SshFault::Dead => "Check the host's name and port, and that it is up.".to_owned(),
        SshFault::NoDocker => {
            "Install docker's command line client on that host (Debian: `docker.io`).".to_owned()
        }
        SshFault::NoEngine => format!("`ssh {address} docker version` must work: start the engine there."),
    }
}

/// The registry of a reference, by Docker's rule: the part before the first slash if it has a dot, a colon or
/// is `localhost`.
pub(super) fn registry_of(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}
