//! One request and its answer: sent with what the registry wants to know of us, again where that may help.

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream};
use reqwest::header::{CONTENT_LENGTH, HeaderName, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::auth::Authorization;
use super::retry::{Retry, Tries, Trouble};
use super::{RegistryError, Repository};
use crate::tls;
use crate::words::short;

/// Bytes read of an error's body.
const ERROR_LIMIT: u64 = 16 << 10;

/// Redirects followed one after another.
const REDIRECTS: u32 = 5;

/// Bytes of a file under way at once, for each connection.
const PIECE: u64 = 256 << 10;

/// One request, which may have to be sent more than once.
pub(super) struct Request {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Body,
}

/// What a request carries.
pub(super) enum Body {
    /// Nothing.
    None,
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// A part of a file, which is never held in memory whole.
    File {
        /// The file.
        path: PathBuf,
        /// The part.
        range: Range<u64>,
    },
}

impl Request {
    pub(super) fn new(method: Method, url: Url) -> Self {
        // A POST or PUT without a length is refused by some.
        let body = match method {
            Method::GET | Method::HEAD | Method::DELETE => Body::None,
            _ => Body::Bytes(Vec::new()),
        };
        Self {
            method,
            url,
            headers: Vec::new(),
            body,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// How far a body has been sent, and what went wrong on this side of it.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    fault: Mutex<Option<io::Error>>,
}

impl Repository {
    /// An address of this repository: `manifests/latest`, `blobs/uploads/`, …
    pub(super) fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let scheme = if self.settings().is_plain(&self.registry) {
            "http"
        } else {
            "https"
        };
        let host = match self.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let text = format!("{scheme}://{host}/v2/{}/{rest}", self.path);
        Url::parse(&text).map_err(|error| self.unreachable(error))
    }

    /// Sends a request, again where that may help.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut tries = Tries::default();
        loop {
            match self.once(request).await {
                Ok(response) => return Ok(response),
                Err(trouble) => tries.again(self, trouble).await?,
            }
        }
    }

    /// Sends a request, with credentials where the registry asks for them. An answer that may be another one later
    /// is trouble.
    pub(super) async fn once(&self, request: &Request) -> Result<Response, Trouble> {
        let known = self.authorization().await;
        let mut response = self.follow(request, known.as_ref()).await?;
        // Whom a redirect led to has no business with our credentials.
        if response.status() == StatusCode::UNAUTHORIZED && response.url().origin() == request.url.origin() {
            let renewed = self.authorize(&response, known.as_ref()).await?;
            response = self.follow(request, Some(&renewed)).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                return Err(self.unauthorized(!renewed.is_anonymous()).into());
            }
        }
        let retry = Retry::of(&response);
        if retry.is_useful() {
            let error = self.refusal(response, "a request").await;
            return Err(Trouble::answer(error, &retry));
        }
        Ok(response)
    }

    /// Goes where the registry sends us for what it keeps elsewhere; credentials stay behind.
    async fn follow(
        &self,
        request: &Request,
        authorization: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS {
            let own = url.origin() == request.url.origin();
            let response = self.raw(request, &url, authorization.filter(|_| own)).await?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect || !matches!(request.method, Method::GET | Method::HEAD) {
                return Ok(response);
            }
            let next = header(&response, &LOCATION).and_then(|it| url.join(it).ok());
            let safe = |next: &Url| {
                self.settings().permits(next) && (next.scheme() == "https" || url.scheme() == "http")
            };
            url = next.filter(safe).ok_or_else(|| {
                self.answer(
                    response.status(),
                    "a request",
                    "it leads to a place that is not safe",
                )
            })?;
        }
        Err(self.answer(
            StatusCode::LOOP_DETECTED,
            "a request",
            "it leads from place to place",
        ))
    }

    async fn raw(
        &self,
        request: &Request,
        url: &Url,
        authorization: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        let client = self.registries.shared.client.of(url).await?;
        let mut builder = client.request(request.method.clone(), url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(authorization) = authorization {
            builder = authorization.apply(builder);
        }
        let progress = Arc::new(Progress::default());
        builder = match &request.body {
            Body::None => builder,
            Body::Bytes(bytes) => builder.body(bytes.clone()),
            Body::File { path, range } => {
                let failed = |source| RegistryError::File {
                    path: path.clone(),
                    source,
                };
                let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
                file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
                let length = range.end - range.start;
                builder
                    .header(CONTENT_LENGTH, length)
                    .body(reqwest::Body::wrap_stream(pieces(file, length, progress.clone())))
            }
        };
        let outcome = self.patiently(builder, &progress).await;
        let fault = progress.fault.lock().ok().and_then(|mut fault| fault.take());
        match (fault, &request.body) {
            (Some(source), Body::File { path, .. }) => Err(RegistryError::File {
                path: path.clone(),
                source,
            }),
            _ => outcome,
        }
    }

    /// Waits for the answer while anything moves.
    async fn patiently(
        &self,
        builder: reqwest::RequestBuilder,
        progress: &Progress,
    ) -> Result<Response, RegistryError> {
        let mut answer = pin!(builder.send());
        loop {
            let before = progress.sent.load(Ordering::Relaxed);
            tokio::select! {
                outcome = &mut answer => return outcome.map_err(|error| self.broken(error)),
                () = tokio::time::sleep(self.settings().patience) => {
                    if progress.sent.load(Ordering::Relaxed) == before {
                        return Err(self.silent());
                    }
                }
            }
        }
    }

    /// The next piece of an answer.
    pub(super) async fn piece(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, RegistryError> {
        match tokio::time::timeout(self.settings().patience, response.chunk()).await {
            Ok(piece) => piece.map_err(|error| self.broken(error)),
            Err(_) => Err(self.silent()),
        }
    }

    /// A whole answer, or `None` where it is longer than the limit.
    pub(super) async fn read(
        &self,
        mut response: Response,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(&mut response).await? {
            bytes.extend_from_slice(piece.as_ref());
            if bytes.len() as u64 > limit {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// The error that an answer stands for.
    pub(super) async fn refusal(&self, response: Response, what: &str) -> RegistryError {
        let status = response.status();
        let (_, said) = self.words(response).await;
        self.answer(status, what, &said)
    }

    /// Code and words of an error. Source: the error documents of the distribution specification.
    pub(super) async fn words(&self, response: Response) -> (String, String) {
        let bytes = self.read(response, ERROR_LIMIT).await.ok().flatten();
        let parsed: serde_json::Value =
            serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default();
        let text = |pointer| {
            parsed
                .pointer(pointer)
                .and_then(|it| it.as_str())
                .unwrap_or_default()
        };
        let (code, message) = (text("/errors/0/code"), text("/errors/0/message"));
        let said = if message.is_empty() { code } else { message };
        (code.to_owned(), self.without_secrets(said).await)
    }

    pub(super) fn answer(&self, status: StatusCode, what: &str, said: &str) -> RegistryError {
        let said = short(said, 200);
        RegistryError::Answer {
            registry: self.registry.clone(),
            status: status.as_u16(),
            what: what.to_owned(),
            said: if said.is_empty() {
                "nothing more".to_owned()
            } else {
                said
            },
        }
    }

    pub(super) fn unauthorized(&self, known: bool) -> RegistryError {
        RegistryError::Unauthorized {
            registry: self.registry.clone(),
            known,
        }
    }

    /// The address may hold a signature: the registry's name says enough.
    fn broken(&self, error: reqwest::Error) -> RegistryError {
        self.unreachable(error.without_url())
    }

    fn silent(&self) -> RegistryError {
        let seconds = self.settings().patience.as_secs_f32();
        self.unreachable(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("nothing was heard for {seconds} seconds"),
        ))
    }

    pub(super) fn unreachable(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> RegistryError {
        let (registry, source) = (self.registry.clone(), source.into());
        match tls::cause(source.as_ref()) {
            Some(rustls::Error::InvalidCertificate(bad)) => RegistryError::Certificate {
                registry,
                reason: fault(bad),
            },
            _ => RegistryError::Unreachable { registry, source },
        }
    }
}

/// What is wrong with a certificate, in words.
fn fault(bad: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Bad;
    let words = match bad {
        Bad::UnknownIssuer | Bad::BadSignature => "no authority that this machine trusts has signed it",
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "it is for another name",
        Bad::Expired | Bad::ExpiredContext { .. } => "it has expired",
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "it is not valid yet",
        other => return other.to_string(),
    };
    words.to_owned()
}

/// A header's text.
pub(super) fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// A part of a file, piece by piece.
fn pieces(
    file: tokio::fs::File,
    length: u64,
    progress: Arc<Progress>,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    stream::try_unfold((file, length), move |(mut file, left)| {
        let progress = progress.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let mut piece = vec![0; left.min(PIECE) as usize];
            let read = match file.read(&mut piece).await {
                Ok(0) => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it is shorter than it was",
                )),
                other => other,
            };
            match read {
                Ok(read) => {
                    piece.truncate(read);
                    progress.sent.fetch_add(read as u64, Ordering::Relaxed);
                    Ok(Some((piece, (file, left - read as u64))))
                }
                Err(error) => {
                    let kind = error.kind();
                    if let Ok(mut fault) = progress.fault.lock() {
                        *fault = Some(error);
                    }
                    Err(kind.into())
                }
            }
        }
    })
}
