//! Why a registry could not be used.

use std::path::PathBuf;

use crate::advice::Advise;
use crate::layout::LayoutError;
use crate::oci::Digest;

/// Why a registry could not be used. None of these holds credentials or the query of an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No answer, or one that broke off.
    #[error("the registry {registry} cannot be reached")]
    Unreachable {
        /// `host[:port]`.
        registry: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its certificate is not accepted.
    #[error("the certificate of the registry {registry} is refused: {reason}")]
    Certificate {
        /// `host[:port]`.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It wants another name or password.
    #[error("the registry {registry} refuses {}", if *known { "the credentials it was given" } else { "to go on without credentials" })]
    Unauthorized {
        /// `host[:port]`.
        registry: String,
        /// Whether credentials were found.
        known: bool,
    },
    /// Credentials that should be there cannot be had.
    #[error("the credentials for {registry} cannot be read from {place}: {reason}")]
    Credentials {
        /// `host[:port]`.
        registry: String,
        /// Where they are.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// It sends us somewhere with our credentials where we do not go.
    #[error("the registry {registry} names {realm} as its token service, {reason}")]
    Realm {
        /// `host[:port]`.
        registry: String,
        /// Scheme and host of the service.
        realm: String,
        /// Why that is refused.
        reason: &'static str,
    },
    /// It answers something else than was asked for.
    #[error("the registry {registry} answered {status} to {what}: {said}")]
    Answer {
        /// `host[:port]`.
        registry: String,
        /// The status.
        status: u16,
        /// What was asked.
        what: String,
        /// Its words.
        said: String,
    },
    /// It asks to be left alone for long.
    #[error("the registry {registry} takes no more requests for {seconds} seconds")]
    Busy {
        /// `host[:port]`.
        registry: String,
        /// For how long.
        seconds: u64,
    },
    /// It holds or serves other bytes than it should.
    #[error("the registry {registry} has {found} where {wanted} should be")]
    WrongDigest {
        /// `host[:port]`.
        registry: String,
        /// What it has.
        found: String,
        /// What was sent or asked for.
        wanted: Box<Digest>,
    },
    /// A document that is too large, or that is not what it should be.
    #[error("{what} of {place} cannot be used: {reason}")]
    Document {
        /// `the manifest`, `the configuration`, …
        what: &'static str,
        /// The image.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no image for the platform.
    #[error("{place} has no image for {wanted}, only for {offered}")]
    NoPlatform {
        /// The image.
        place: String,
        /// The platform.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// A layer's file.
    #[error("cannot read {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A downloaded layer cannot be kept.
    #[error("a layer cannot be kept")]
    Layout(#[source] LayoutError),
    /// No client can be made on this machine.
    #[error("no connection can be made")]
    Client(#[source] reqwest::Error),
}

impl Advise for RegistryError {
    fn advice(&self) -> Option<String> {
        let text = match self {
            RegistryError::Unreachable { registry, source } if is_unresolved(source.as_ref()) => format!(
                "this machine finds no address of {registry}: check its network and its DNS server, and the registry's \
                 name; a base needs no registry where a layout has it that `[registry] bases` of flowimage.toml names"
            ),
            RegistryError::Unreachable { registry, .. } => format!(
                "check that {registry} is the registry's name and that it runs; one that speaks plain http must be \
                 named in `[registry] plain_http` of flowimage.toml"
            ),
            RegistryError::Certificate { .. } => {
                "nothing was sent; add its authority to the system's certificates, or name a file with it in the \
                 variable SSL_CERT_FILE"
                    .to_owned()
            }
            RegistryError::Unauthorized { registry, .. } => format!("log in with `docker login {registry}`"),
            RegistryError::Credentials { registry, .. } => {
                format!("repair it, or log in again with `docker login {registry}`")
            }
            RegistryError::Realm { .. } => {
                "no credentials were sent; look at what stands between you and the registry".to_owned()
            }
            RegistryError::Answer {
                status: 403,
                registry,
                ..
            } => format!("ask for the right to push there, or log in to {registry} as somebody who has it"),
            RegistryError::Answer {
                status: 404 | 405,
                registry,
                ..
            } => format!("check that {registry} is an image registry, and the path after it"),
            RegistryError::Answer { .. } => "run the command again later".to_owned(),
            RegistryError::Busy { seconds, .. } => format!("run the command again in {seconds} seconds"),
            RegistryError::WrongDigest { .. } => {
                "look at what stands between you and the registry".to_owned()
            }
            RegistryError::Document { .. } => "check that the reference names a container image".to_owned(),
            RegistryError::NoPlatform { .. } => "choose another base, or build for that platform".to_owned(),
            RegistryError::File { .. } => "run the command again".to_owned(),
            RegistryError::Layout(error) => return error.advice(),
            RegistryError::Client(_) => return None,
        };
        Some(text)
    }
}

/// Whether a name was looked up in vain: hyper's connector says so in these words, and in no type of its own.
fn is_unresolved(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.to_string() == "dns error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_network_is_told_apart_from_a_registry_that_refuses() {
        let advice = |words: &str| {
            let error = RegistryError::Unreachable {
                registry: "r.io".to_owned(),
                source: Box::new(std::io::Error::other(words.to_owned())),
            };
            error.advice().unwrap()
        };
        assert!(advice("dns error").starts_with("this machine finds no address of r.io"));
        assert!(advice("Connection refused").contains("plain_http"));
    }
}
