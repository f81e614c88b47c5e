//! Looking images up, pulling, naming, pushing and removing them.

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptions, PushImageOptions, RemoveImageOptions, TagImageOptions};
use futures_util::StreamExt;
use serde_json::Value;

use super::super::{EngineImage, IdScheme, PullProgress, RegistryFault, RegistryLogin};
use super::cleanup::{remove_name, remove_unnamed};
use super::{Engine, EngineError};
use crate::oci::{Digest, Platform};

impl Engine {
    /// The image with this name or ID, or `None` where the engine has none.
    pub async fn image(&self, name: &str) -> Result<Option<EngineImage>, EngineError> {
        checked(name)?;
        let inspected = match self.docker.inspect_image(name).await {
            Ok(inspected) => inspected,
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
            Err(error) => return Err(self.failed(&format!("look up {name}"), error)),
        };
        let unreadable = |source: super::super::Transport| EngineError::Answer {
            action: format!("look up {name}"),
            source,
        };
        let id =
            digest(inspected.id.as_deref().unwrap_or_default()).map_err(|error| unreadable(error.into()))?;
        let by_manifest = inspected
            .descriptor
            .and_then(|descriptor| descriptor.digest)
            .is_some_and(|digest| digest == id.as_str());
        let layers = inspected.root_fs.and_then(|root| root.layers).unwrap_or_default();
        let diff_ids = layers.iter().map(|layer| digest(layer)).collect::<Result<_, _>>();
        let config = match inspected.config {
            Some(config) => serde_json::to_value(config).map_err(|error| unreadable(error.into()))?,
            None => Value::Object(Default::default()),
        };
        Ok(Some(EngineImage {
            id,
            id_scheme: if by_manifest {
                IdScheme::Manifest
            } else {
                IdScheme::Config
            },
            repo_digests: inspected.repo_digests.unwrap_or_default(),
            repo_tags: inspected.repo_tags.unwrap_or_default(),
            diff_ids: diff_ids.map_err(|error| unreadable(error.into()))?,
            config,
            platform: Platform {
                os: inspected.os.unwrap_or_default(),
                architecture: inspected.architecture.unwrap_or_default(),
                variant: inspected.variant.filter(|variant| !variant.is_empty()),
            },
            size: inspected.size.unwrap_or_default().try_into().unwrap_or_default(),
        }))
    }

    /// Pulls an image; a reference without tag and digest means `latest`.
    ///
    /// Errors: [`EngineError::BaseNotFound`], [`EngineError::PullUnauthorized`], [`EngineError::NoSpace`].
    pub async fn pull(
        &self,
        reference: &str,
        platform: Option<&Platform>,
        login: Option<&RegistryLogin>,
        on_progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<EngineImage, EngineError> {
        checked(reference)?;
        let options = CreateImageOptions {
            // Without a tag, engines take it for all tags.
            from_image: Some(match has_tag_or_digest(reference) {
                true => reference.to_owned(),
                false => format!("{reference}:latest"),
            }),
            platform: platform.map(ToString::to_string).unwrap_or_default(),
            ..Default::default()
        };
        let docker = self.patient();
        let mut lines = docker.create_image(Some(options), None, login.map(credentials));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| self.pull_failed(reference, error))?;
            let (current, total) = line
                .progress_detail
                .map_or((None, None), |p| (p.current, p.total));
            on_progress(PullProgress {
                layer: line.id.unwrap_or_default(),
                status: line.status.unwrap_or_default(),
                current: current.and_then(|bytes| bytes.try_into().ok()),
                total: total
                    .and_then(|bytes| bytes.try_into().ok())
                    .filter(|total| *total > 0),
            });
        }
        self.image(reference).await?.ok_or_else(|| EngineError::NoImage {
            reference: reference.to_owned(),
        })
    }

    fn pull_failed(&self, reference: &str, error: Error) -> EngineError {
        let failed = self.failed_during("was pulling", &format!("pull {reference}"), error);
        match failed {
            EngineError::Refused { message, status, .. } => match pull_fault(reference, &message) {
                Some(fault) => fault,
                None if status == Some(404) => EngineError::BaseNotFound {
                    reference: reference.to_owned(),
                    message,
                },
                None => EngineError::Refused {
                    action: format!("pull {reference}"),
                    message,
                    status,
                },
            },
            other => other,
        }
    }

    /// Gives an image a name, `repository:tag`, taking it from any other image.
    pub async fn tag(&self, id: &Digest, reference: &str) -> Result<(), EngineError> {
        checked(reference)?;
        let (repository, tag) = split_tag(reference);
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        match self.docker.tag_image(id.as_str(), Some(options)).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Err(EngineError::NoImage {
                reference: id.to_string(),
            }),
            result => result.map_err(|error| self.failed(&format!("name an image {reference}"), error)),
        }
    }

    /// Takes a name off its image, which goes too if that was its last. `false` where there is no such name.
    pub async fn untag(&self, reference: &str) -> Result<bool, EngineError> {
        self.remove_image(reference).await
    }

    /// Removes the image with this name or ID. `false` where there is none.
    ///
    /// Errors: [`EngineError::Refused`] while a container uses it or another name holds it.
    pub async fn remove_image(&self, name: &str) -> Result<bool, EngineError> {
        checked(name)?;
        match self
            .docker
            .remove_image(name, None::<RemoveImageOptions>, None)
            .await
        {
            Ok(_) => Ok(true),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(self.failed(&format!("remove image {name}"), error)),
        }
    }

    /// Removes the name of an image, and the image with its last one, when nothing uses it any more: [`Engine::settle`]
    /// waits for it.
    pub(crate) fn remove_later(&self, name: String) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.removals
                .spawn_on(remove_name(self.docker.clone(), name), &runtime);
        }
    }

    /// Removes an image that nobody has named and nothing uses.
    pub(crate) async fn remove_if_unnamed(&self, id: &Digest) {
        // Otherwise it is somebody's.
        let _ = remove_unnamed(&self.docker, id.as_str()).await;
    }

    /// Lets the engine push `repository:tag`, and gives the digest that the registry then has under it.
    pub async fn push(&self, reference: &str, login: Option<&RegistryLogin>) -> Result<Digest, EngineError> {
        checked(reference)?;
        let (repository, tag) = split_tag(reference);
        let options = PushImageOptions {
            tag: Some(tag.to_owned()),
            platform: None,
        };
        let docker = self.patient();
        let mut lines = docker.push_image(repository, Some(options), login.map(credentials));
        let mut pushed = None;
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| {
                match self.failed_during("was pushing", &format!("push {reference}"), error) {
                    EngineError::Refused { message, .. } if is_unauthorized(&message) => {
                        EngineError::PushUnauthorized {
                            reference: reference.to_owned(),
                            message,
                        }
                    }
                    other => other,
                }
            })?;
            let status = line.status.unwrap_or_default();
            pushed = pushed_digest(&status).or(pushed);
        }
        match pushed {
            Some(digest) => Ok(digest),
            // Podman does not say it in so many words, and keeps it with the image.
            None => self.digest_in(reference, repository).await,
        }
    }

    async fn digest_in(&self, reference: &str, repository: &str) -> Result<Digest, EngineError> {
        let image = self.image(reference).await?;
        let digests = image.map(|image| image.repo_digests).unwrap_or_default();
        digests
            .iter()
            .filter_map(|name| name.rsplit_once('@'))
            .find(|(name, _)| *name == repository)
            .and_then(|(_, digest)| digest.parse().ok())
            .ok_or_else(|| EngineError::Refused {
                action: format!("push {reference}"),
                message: "it did not say the digest of what it pushed".to_owned(),
                status: None,
            })
    }
}

/// `1.0: digest: sha256:… size: 527`
fn pushed_digest(status: &str) -> Option<Digest> {
    let (_, rest) = status.split_once("digest: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

pub(super) fn credentials(login: &RegistryLogin) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.clone()),
        serveraddress: Some(login.registry.clone()),
        ..Default::default()
    }
}

/// The digest in an engine's words; Podman leaves the algorithm out in places.
pub(super) fn digest(text: &str) -> Result<Digest, crate::oci::DigestError> {
    match text.contains(':') {
        true => text.parse(),
        false => format!("sha256:{text}").parse(),
    }
}

/// Refuses names that would become another path of the API.
pub(super) fn checked(name: &str) -> Result<(), EngineError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    let parts_are_names = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    match !name.is_empty() && name.len() <= 512 && name.chars().all(allowed) && parts_are_names {
        true => Ok(()),
        false => Err(EngineError::Name(name.chars().take(100).collect())),
    }
}

fn has_tag_or_digest(reference: &str) -> bool {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    last.contains([':', '@'])
}

fn split_tag(reference: &str) -> (&str, &str) {
    match has_tag_or_digest(reference) {
        true => reference.rsplit_once(':').unwrap_or((reference, "latest")),
        false => (reference, "latest"),
    }
}

/// What the words of an engine mean that could not read an image at its registry; nothing where that is not known.
pub(super) fn pull_fault(reference: &str, message: &str) -> Option<EngineError> {
    let (reference, message) = (reference.to_owned(), message.to_owned());
    if is_unauthorized(&message) {
        return Some(EngineError::PullUnauthorized { reference, message });
    }
    if let Some(fault) = registry_fault(&message) {
        return Some(EngineError::Registry {
            reference,
            fault,
            message,
        });
    }
    is_not_found(&message).then_some(EngineError::BaseNotFound { reference, message })
}

fn registry_fault(message: &str) -> Option<RegistryFault> {
    const WORDS: [(&str, RegistryFault); 13] = [
        ("server gave HTTP response to HTTPS client", RegistryFault::Plain),
        ("x509: ", RegistryFault::Certificate),
        ("failed to verify certificate", RegistryFault::Certificate),
        ("no such host", RegistryFault::Name),
        ("server misbehaving", RegistryFault::Name),
        ("Temporary failure in name resolution", RegistryFault::Name),
        ("connection refused", RegistryFault::Connection),
        ("i/o timeout", RegistryFault::Connection),
        ("network is unreachable", RegistryFault::Connection),
        ("no route to host", RegistryFault::Connection),
        ("TLS handshake timeout", RegistryFault::Connection),
        ("Client.Timeout exceeded", RegistryFault::Connection),
        ("proxyconnect tcp: ", RegistryFault::Connection),
    ];
    let found = WORDS.iter().find(|(words, _)| message.contains(words));
    found.map(|(_, fault)| *fault)
}

/// Whether the words of an engine mean that a login is missing or wrong.
///
/// Docker Hub answers the same for a repository that is not there and one that may not be seen.
fn is_unauthorized(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "unauthorized",
        "authentication required",
        "no basic auth",
        "access denied",
        "access to the resource is denied",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Whether the words of an engine mean that a registry has no such image.
fn is_not_found(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "manifest unknown",
        "manifest for ",
        "name unknown",
        ": not found",
        "no such image",
        "repository name not known",
        "no match for platform",
        "no matching manifest",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::super::super::error::registry_of;
    use super::*;

    #[test]
    fn names_stay_inside_their_path() {
        for good in ["debian", "127.0.0.1:5000/a/b:c", "a@sha256:00", "sha256:00"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "../containers/json",
            "a/../b",
            "a?b",
            "a b",
            "a#b",
            "/a",
            "a%2fb",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(split_tag("127.0.0.1:5000/a"), ("127.0.0.1:5000/a", "latest"));
        assert_eq!(split_tag("127.0.0.1:5000/a:1"), ("127.0.0.1:5000/a", "1"));
        assert!(!has_tag_or_digest("localhost:5000/a"));
        assert_eq!(registry_of("127.0.0.1:5000/a"), "127.0.0.1:5000");
        assert_eq!(registry_of("library/debian"), "docker.io");
    }

    #[test]
    fn what_stands_between_an_engine_and_a_registry() {
        // In the words of Go, in which Docker and Podman are written.
        for (message, fault) in [
            (
                "Get \"https://r.invalid/v2/\": dial tcp: lookup r.invalid on 10.0.0.2:53: no such host",
                RegistryFault::Name,
            ),
            (
                "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
                RegistryFault::Connection,
            ),
            (
                "Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection \
                 (Client.Timeout exceeded while awaiting headers)",
                RegistryFault::Connection,
            ),
            (
                "pinging container registry r:5000: Get \"https://r:5000/v2/\": tls: failed to verify certificate: \
                 x509: certificate signed by unknown authority",
                RegistryFault::Certificate,
            ),
            (
                "Get \"https://r:5000/v2/\": http: server gave HTTP response to HTTPS client",
                RegistryFault::Plain,
            ),
        ] {
            let found = pull_fault("r:5000/a", message);
            assert!(
                matches!(found, Some(EngineError::Registry { fault: it, .. }) if it == fault),
                "{message}: {found:?}"
            );
        }
        let unauthorized = pull_fault(
            "a",
            "Get \"https://r/v2/a/manifests/1\": no basic auth credentials",
        );
        assert!(matches!(unauthorized, Some(EngineError::PullUnauthorized { .. })));
        assert!(pull_fault("a", "something else").is_none());
    }

    #[test]
    fn reads_the_digest_of_a_push() {
        let hex = "0".repeat(64);
        let line = format!("1.0: digest: sha256:{hex} size: 527");
        assert_eq!(pushed_digest(&line).unwrap().hex(), hex);
        assert_eq!(pushed_digest("Pushed"), None);
    }
}
