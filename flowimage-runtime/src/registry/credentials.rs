//! Who we are to a registry: from docker's configuration, its helpers and stores, and the environment.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use super::RegistryError;

/// Where credentials are looked for, in this order. [`Default`] reads the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialPlaces {
    /// Docker's configuration as text, as CI systems hand it out: the value of `DOCKER_AUTH_CONFIG`.
    pub docker_auth_config: Option<String>,
    /// Docker's folder, whose `config.json` names credentials, helpers and stores: the value of `DOCKER_CONFIG`, else
    /// `~/.docker`.
    pub docker_folder: Option<PathBuf>,
    /// The file of podman and skopeo: the value of `REGISTRY_AUTH_FILE`.
    pub registry_auth_file: Option<PathBuf>,
}

impl CredentialPlaces {
    /// Reads the variables through `variable`, usually [`std::env::var`].
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let folder = set("DOCKER_CONFIG").map(PathBuf::from);
        Self {
            docker_auth_config: set("DOCKER_AUTH_CONFIG"),
            docker_folder: folder.or_else(|| Some(PathBuf::from(set("HOME")?).join(".docker"))),
            registry_auth_file: set("REGISTRY_AUTH_FILE").map(PathBuf::from),
        }
    }

    /// Nowhere: every registry is spoken to as nobody in particular.
    pub fn none() -> Self {
        Self::from_env(|_| None)
    }
}

impl Default for CredentialPlaces {
    fn default() -> Self {
        Self::from_env(|name| std::env::var(name).ok())
    }
}

impl std::fmt::Debug for CredentialPlaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialPlaces")
            .field(
                "docker_auth_config",
                &self.docker_auth_config.as_ref().map(|_| "***"),
            )
            .field("docker_folder", &self.docker_folder)
            .field("registry_auth_file", &self.registry_auth_file)
            .finish()
    }
}

/// Something that must not be seen.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, to be sent and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What is known for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A name and a password.
    Password(String, Secret),
    /// A token that only buys other tokens. Source: the OAuth 2 side of the token protocol,
    /// <https://distribution.github.io/distribution/spec/auth/oauth/>.
    Identity(Secret),
}

/// Name and password for a registry, as an engine wants them for its own pulls.
///
/// # Errors
/// They are there, and cannot be read.
pub async fn login(
    registry: &str,
    places: &CredentialPlaces,
) -> Result<Option<(String, String)>, RegistryError> {
    Ok(match find(registry, places).await? {
        Some(Credentials::Password(user, password)) => Some((user, password.0)),
        // Docker's own sign for it.
        Some(Credentials::Identity(token)) => Some(("<token>".to_owned(), token.0)),
        None => None,
    })
}

/// Looks credentials up.
pub(super) async fn find(
    registry: &str,
    places: &CredentialPlaces,
) -> Result<Option<Credentials>, RegistryError> {
    let (registry, places) = (registry.to_owned(), places.clone());
    // Helpers are programs, and are waited for.
    let found = tokio::task::spawn_blocking(move || look_up(&registry, &places)).await;
    found.unwrap_or(Ok(None))
}

fn look_up(registry: &str, places: &CredentialPlaces) -> Result<Option<Credentials>, RegistryError> {
    let docker_name = match registry {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    if let Some(text) = &places.docker_auth_config {
        let found = read(
            registry,
            docker_name,
            "the variable DOCKER_AUTH_CONFIG",
            text.as_bytes(),
        )?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let configuration = places.docker_folder.as_ref().map(|it| it.join("config.json"));
    let files = [
        (configuration, docker_name),
        // Here Docker Hub is called by its own name.
        (places.registry_auth_file.clone(), registry),
    ];
    for (path, name) in files {
        let Some(path) = path else { continue };
        let place = path.display().to_string();
        let file = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(registry, &place, error.to_string())),
        };
        let found = read(registry, name, &place, file)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn read(
    registry: &str,
    name: &str,
    place: &str,
    text: impl Read,
) -> Result<Option<Credentials>, RegistryError> {
    judge(
        registry,
        place,
        docker_credential::get_credential_from_reader(text, name),
    )
}

fn unreadable(registry: &str, place: &str, reason: String) -> RegistryError {
    RegistryError::Credentials {
        registry: registry.to_owned(),
        place: place.to_owned(),
        reason,
    }
}

/// Tells "none" from "cannot be had". What a helper printed is not repeated: it may hold what it was asked for.
fn judge(
    registry: &str,
    place: &str,
    found: Result<DockerCredential, CredentialRetrievalError>,
) -> Result<Option<Credentials>, RegistryError> {
    use CredentialRetrievalError as E;
    let reason = match found {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            return Ok(Some(Credentials::Password(user, Secret::new(password))));
        }
        Ok(DockerCredential::IdentityToken(token)) => {
            return Ok(Some(Credentials::Identity(Secret::new(token))));
        }
        Err(E::NoCredentialConfigured | E::ConfigNotFound) => return Ok(None),
        // Docker's own words, from its helpers' library.
        Err(E::HelperFailure { stdout, stderr, .. })
            if [&stdout, &stderr]
                .iter()
                .any(|said| said.contains("credentials not found")) =>
        {
            return Ok(None);
        }
        Err(E::HelperFailure { helper, .. }) => format!("`{helper}` failed"),
        Err(E::HelperCommunicationError | E::MalformedHelperResponse) => {
            "its credential helper does not run, or answers something else".to_owned()
        }
        Err(E::ConfigReadError) => "it is no docker configuration".to_owned(),
        Err(E::CredentialDecodingError | E::CredentialMismatchError) => {
            "its entry for the registry is damaged".to_owned()
        }
    };
    Err(unreadable(registry, place, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials::Password("me".to_owned(), Secret::new("hunter2"));
        assert_eq!(format!("{credentials:?}"), r#"Password("me", ***)"#);
    }

    #[test]
    fn a_store_without_the_registry_is_no_failure() {
        let failure = |stdout: &str| {
            Err(CredentialRetrievalError::HelperFailure {
                helper: "docker-credential-pass".to_owned(),
                stdout: stdout.to_owned(),
                stderr: String::new(),
            })
        };
        let none = judge(
            "r.example",
            "x",
            failure("credentials not found in native keychain\n"),
        );
        assert!(matches!(none, Ok(None)));
        let error = judge(
            "r.example",
            "docker's configuration",
            failure("hunter2 is locked"),
        )
        .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("docker-credential-pass") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
