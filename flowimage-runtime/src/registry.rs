//! A client of image registries: asks before it sends, streams what is missing, and checks what it is told.
//!
//! Our own, on reqwest: the existing crate loads TLS roots (130 ms) for every client, plain http ones too, and has
//! no retries. Source: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::sync::Mutex;

use crate::advice::Advise;
use crate::oci::{Descriptor, Digest, Image, Source, media_type};

/// Tries of one request.
const TRIES: u32 = 4;

/// Bytes read of an error's body.
const ERROR_LIMIT: usize = 4 << 10;

/// Why a registry could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No answer.
    #[error("the registry {registry} cannot be reached")]
    Unreachable {
        /// `host[:port]`.
        registry: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It wants another name or password.
    #[error("the registry {registry} refuses {}", if *known { "the credentials it was given" } else { "to go on without credentials" })]
    Unauthorized {
        /// `host[:port]`.
        registry: String,
        /// Whether credentials were found.
        known: bool,
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
    /// It holds other bytes than were sent.
    #[error("the registry {registry} holds {found} where {wanted} was sent")]
    WrongDigest {
        /// `host[:port]`.
        registry: String,
        /// What it says it holds.
        found: String,
        /// What was sent.
        wanted: Digest,
    },
    /// A layer that is not on this machine.
    #[error("a layer of the image is only in {0}")]
    Elsewhere(String),
    /// A layer's file.
    #[error("cannot read {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// No client can be made on this machine.
    #[error("no connection can be made")]
    Client(#[source] reqwest::Error),
}

impl Advise for RegistryError {
    fn advice(&self) -> Option<String> {
        match self {
            RegistryError::Unreachable { registry, .. } => Some(format!(
                "check that {registry} is the registry's name and that it runs; nothing was registered"
            )),
            RegistryError::Unauthorized { registry, .. } => {
                Some(format!("log in with `docker login {registry}`"))
            }
            RegistryError::Answer {
                status: 403,
                registry,
                ..
            } => Some(format!(
                "ask for the right to push there, or log in to {registry} as somebody who has it"
            )),
            RegistryError::Answer {
                status: 404 | 405,
                registry,
                ..
            } => Some(format!(
                "check that {registry} is an image registry, and the path after it"
            )),
            RegistryError::Answer { .. } => {
                Some("nothing was registered; run the command again later".to_owned())
            }
            RegistryError::WrongDigest { .. } => {
                Some("nothing was registered; look at what stands between you and the registry".to_owned())
            }
            RegistryError::Elsewhere(_) | RegistryError::File { .. } => {
                Some("run the command again".to_owned())
            }
            RegistryError::Client(_) => None,
        }
    }
}

/// One repository of a registry.
pub struct Repository {
    registry: String,
    path: String,
    root: String,
    client: Client,
    authorization: Mutex<Option<String>>,
}

impl Repository {
    /// A repository. Nothing is sent yet. Plain http is spoken to loopback addresses only.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(registry: &str, path: &str) -> Result<Self, RegistryError> {
        // Another library of the program may have chosen one already: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let loopback = is_loopback(registry);
        let mut client = Client::builder()
            .user_agent(concat!("flowimage/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60));
        if loopback {
            // Certificates are not read where none is needed.
            client = client.no_proxy().tls_certs_only([]);
        }
        let host = if registry == "docker.io" {
            "registry-1.docker.io"
        } else {
            registry
        };
        Ok(Self {
            registry: registry.to_owned(),
            path: path.to_owned(),
            root: format!("{}://{host}/v2/{path}", if loopback { "http" } else { "https" }),
            client: client.build().map_err(RegistryError::Client)?,
            authorization: Mutex::new(None),
        })
    }

    /// The digest of a manifest, by digest or tag, if the repository holds it.
    ///
    /// # Errors
    /// The registry does not answer, or refuses.
    pub async fn manifest(&self, reference: &str) -> Result<Option<String>, RegistryError> {
        let accept = [
            media_type::MANIFEST,
            media_type::INDEX,
            media_type::DOCKER_MANIFEST,
            media_type::DOCKER_INDEX,
        ]
        .join(", ");
        let request = Request::new(Method::HEAD, format!("{}/manifests/{reference}", self.root))
            .header(ACCEPT.as_str(), accept);
        let response = self.send(&request).await?;
        match response.status() {
            StatusCode::OK => {
                let digest = response
                    .headers()
                    .get("docker-content-digest")
                    .and_then(|it| it.to_str().ok());
                Ok(Some(digest.unwrap_or(reference).to_owned()))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refusal(response, "a manifest").await),
        }
    }

    /// Asks whether an image may be pushed, before it is made: an upload is begun and given up.
    ///
    /// # Errors
    /// It may not, or the registry does not answer.
    pub async fn may_push(&self) -> Result<(), RegistryError> {
        let location = self.begin().await?;
        // Registries drop uploads that nobody goes on with; this one need not wait.
        let _ = self
            .send(&Request::new(Method::DELETE, location.to_string()))
            .await;
        Ok(())
    }

    /// Sends what the repository lacks of an image, its manifest last, and sees that it is held.
    ///
    /// # Errors
    /// The registry does not answer or refuses; a layer's file cannot be read; other bytes arrived than were sent.
    pub async fn push(&self, image: &Image, tag: Option<&str>) -> Result<Digest, RegistryError> {
        for layer in &image.layers {
            if !self.has(&layer.blob).await? {
                match &layer.source {
                    Source::File(path) => self.upload(&layer.blob, &Body::File(path.clone())).await?,
                    Source::Repository(place) => return Err(RegistryError::Elsewhere(place.clone())),
                }
            }
        }
        let config = Descriptor::of(image.config_media_type.clone(), &image.config);
        if !self.has(&config).await? {
            self.upload(&config, &Body::Bytes(image.config.clone())).await?;
        }
        let digest = image.digest();
        for reference in [Some(digest.as_str()), tag].into_iter().flatten() {
            let request = Request::new(Method::PUT, format!("{}/manifests/{reference}", self.root))
                .header(CONTENT_TYPE.as_str(), image.media_type.clone())
                .body(Body::Bytes(image.manifest.clone()));
            let response = self.send(&request).await?;
            if !response.status().is_success() {
                return Err(self.refusal(response, "the manifest").await);
            }
        }
        match self.manifest(digest.as_str()).await? {
            Some(held) if held == digest.as_str() => Ok(digest),
            other => Err(RegistryError::WrongDigest {
                registry: self.registry.clone(),
                found: other.unwrap_or_else(|| "nothing".to_owned()),
                wanted: digest,
            }),
        }
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        let response = self
            .send(&Request::new(
                Method::HEAD,
                format!("{}/blobs/{}", self.root, blob.digest),
            ))
            .await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refusal(response, "a blob").await),
        }
    }

    async fn upload(&self, blob: &Descriptor, body: &Body) -> Result<(), RegistryError> {
        let mut tries = 0;
        loop {
            // An upload that broke off is begun anew: what had arrived of it is not known.
            let mut location = self.begin().await?;
            location
                .query_pairs_mut()
                .append_pair("digest", blob.digest.as_str());
            let request = Request::new(Method::PUT, location.to_string())
                .header(CONTENT_TYPE.as_str(), "application/octet-stream".to_owned())
                .header(CONTENT_LENGTH.as_str(), blob.size.to_string())
                .body(body.clone());
            let outcome = self.once(&request).await;
            tries += 1;
            match outcome {
                Ok(response) if response.status() == StatusCode::CREATED => return Ok(()),
                Ok(response) if tries >= TRIES || !is_transient(response.status()) => {
                    return Err(self.refusal(response, "an upload").await);
                }
                Err(error @ RegistryError::File { .. }) => return Err(error),
                Err(error) if tries >= TRIES => return Err(error),
                Ok(response) => pause(tries, Some(&response)).await,
                Err(_) => pause(tries, None).await,
            }
        }
    }

    async fn begin(&self) -> Result<Url, RegistryError> {
        let url = format!("{}/blobs/uploads/", self.root);
        let response = self
            .send(&Request::new(Method::POST, url.clone()).body(Body::Bytes(Vec::new())))
            .await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(response, "the start of an upload").await);
        }
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default();
        let base = Url::parse(&url).ok();
        let location = base.as_ref().and_then(|base| base.join(location).ok());
        // Credentials and layers go to the registry that was named, to no other.
        match (location, base) {
            (Some(location), Some(base)) if location.origin() == base.origin() => Ok(location),
            _ => Err(RegistryError::Answer {
                registry: self.registry.clone(),
                status: 202,
                what: "the start of an upload".to_owned(),
                said: "it names no place of its own to send to".to_owned(),
            }),
        }
    }

    /// Sends a request, again where that may help.
    async fn send(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.once(request).await {
                Ok(response) if tries < TRIES && is_transient(response.status()) => {
                    pause(tries, Some(&response)).await;
                }
                Err(RegistryError::Unreachable { .. }) if tries < TRIES => pause(tries, None).await,
                outcome => return outcome,
            }
        }
    }

    /// Sends a request, with credentials where the registry asks for them.
    async fn once(&self, request: &Request) -> Result<Response, RegistryError> {
        let known = self.authorization.lock().await.clone();
        let response = self.raw(request, known.as_deref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .and_then(|it| it.to_str().ok());
        let challenge = challenge.unwrap_or_default().to_owned();
        let authorization = self.authorize(&challenge).await?;
        *self.authorization.lock().await = Some(authorization.clone());
        let response = self.raw(request, Some(&authorization)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(RegistryError::Unauthorized {
                registry: self.registry.clone(),
                known: true,
            });
        }
        Ok(response)
    }

    async fn raw(&self, request: &Request, authorization: Option<&str>) -> Result<Response, RegistryError> {
        let mut builder = self.client.request(request.method.clone(), &request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        builder = match &request.body {
            None => builder,
            Some(Body::Bytes(bytes)) => builder.body(bytes.clone()),
            Some(Body::File(path)) => {
                let file = tokio::fs::File::open(path)
                    .await
                    .map_err(|source| RegistryError::File {
                        path: path.clone(),
                        source,
                    })?;
                builder.body(file)
            }
        };
        builder.send().await.map_err(|error| self.unreachable(error))
    }

    /// What a challenge asks for. Source: RFC 7235, and the token protocol of the distribution project.
    async fn authorize(&self, challenge: &str) -> Result<String, RegistryError> {
        let credentials = credentials(&self.registry).await;
        let refused = |known| RegistryError::Unauthorized {
            registry: self.registry.clone(),
            known,
        };
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let (user, password) = credentials.ok_or_else(|| refused(false))?;
            return Ok(basic(&user, &password));
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused(credentials.is_some()));
        }
        let realm = parameter(parameters, "realm").and_then(|realm| Url::parse(&realm).ok());
        let mut url = realm.ok_or_else(|| refused(credentials.is_some()))?;
        if url.scheme() != "https" && !is_loopback(url.host_str().unwrap_or_default()) {
            return Err(refused(credentials.is_some()));
        }
        if let Some(service) = parameter(parameters, "service") {
            url.query_pairs_mut().append_pair("service", &service);
        }
        url.query_pairs_mut()
            .append_pair("scope", &format!("repository:{}:pull,push", self.path));
        let mut request = self.client.get(url);
        if let Some((user, password)) = &credentials {
            request = request.header(AUTHORIZATION, basic(user, password));
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if !response.status().is_success() {
            return Err(refused(credentials.is_some()));
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(error))?;
        let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let token = answer
            .get("token")
            .or_else(|| answer.get("access_token"))
            .and_then(|it| it.as_str());
        token
            .map(|token| format!("Bearer {token}"))
            .ok_or_else(|| refused(credentials.is_some()))
    }

    fn unreachable(&self, error: reqwest::Error) -> RegistryError {
        // The address may hold a signature: the registry's name says enough.
        RegistryError::Unreachable {
            registry: self.registry.clone(),
            source: Box::new(error.without_url()),
        }
    }

    /// The error that an answer stands for.
    async fn refusal(&self, response: Response, what: &str) -> RegistryError {
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(ERROR_LIMIT)]).into_owned();
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let said = parsed
            .pointer("/errors/0/message")
            .and_then(|it| it.as_str())
            .unwrap_or("nothing more");
        RegistryError::Answer {
            registry: self.registry.clone(),
            status,
            what: what.to_owned(),
            said: said.chars().filter(|it| !it.is_control()).take(200).collect(),
        }
    }
}

/// One request, which may have to be sent more than once.
struct Request {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Body>,
}

/// What a request carries.
#[derive(Clone)]
enum Body {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Request {
    fn new(method: Method, url: String) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    fn header(mut self, name: &str, value: String) -> Self {
        let name = [ACCEPT, CONTENT_TYPE, CONTENT_LENGTH]
            .into_iter()
            .find(|known| known.as_str() == name);
        let name = match name {
            Some(ACCEPT) => "accept",
            Some(CONTENT_TYPE) => "content-type",
            _ => "content-length",
        };
        self.headers.push((name, value));
        self
    }

    fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }
}

fn is_transient(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Waits before the next try: as long as the registry asks, at most half a minute, else ever longer.
async fn pause(tries: u32, response: Option<&Response>) {
    let asked = response.and_then(|it| it.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok());
    let seconds = asked.map(|seconds: u64| Duration::from_secs(seconds.min(30)));
    tokio::time::sleep(seconds.unwrap_or(Duration::from_millis(100 << tries))).await;
}

/// Whether a registry's name means this machine.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Credentials from docker's configuration and its helpers.
async fn credentials(registry: &str) -> Option<(String, String)> {
    let key = if registry == "docker.io" {
        "https://index.docker.io/v1/"
    } else {
        registry
    }
    .to_owned();
    let found = tokio::task::spawn_blocking(move || docker_credential::get_credential(&key))
        .await
        .ok()?;
    match found.ok()? {
        docker_credential::DockerCredential::UsernamePassword(user, password) => Some((user, password)),
        docker_credential::DockerCredential::IdentityToken(token) => Some(("<token>".to_owned(), token)),
    }
}

/// The Basic scheme. Source: RFC 7617.
fn basic(user: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for chunk in format!("{user}:{password}").as_bytes().chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let sextet = (word >> (18 - 6 * index)) & 63;
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'=');
            text.push(if index <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

/// A parameter of a challenge, quoted or not.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((name, value)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']);
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_base64() {
        assert_eq!(
            basic("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(basic("a", "b"), "Basic YTpi");
        assert_eq!(basic("a", ""), "Basic YTo=");
    }

    #[test]
    fn challenges_are_taken_apart() {
        let text = r#"realm="https://auth.example/token?a=b,c",service=registry, scope="x""#;
        assert_eq!(
            parameter(text, "realm").as_deref(),
            Some("https://auth.example/token?a=b,c")
        );
        assert_eq!(parameter(text, "service").as_deref(), Some("registry"));
        assert_eq!(parameter(text, "scope").as_deref(), Some("x"));
        assert_eq!(parameter(text, "error"), None);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for name in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]:5000",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in [
            "localhost.example",
            "10.0.0.1:5000",
            "gcr.io",
            "127.0.0.1.example",
        ] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
