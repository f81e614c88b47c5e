//! A small client of Prefect's REST API: what flowimage asks of it, and no more.
//!
//! Written by hand: no Rust client is kept up, and generators do not take the server's OpenAPI 3.1. Only fields that
//! the oldest supported server (3.2) knows are sent: a server refuses bodies with others.

use std::time::{Duration, Instant};

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::error::PrefectError;
use super::settings::{Credentials, Settings};

/// The API's version, the same in every Prefect 3.
const API_VERSION: &str = "0.8.4";

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Characters of an answer that are shown.
const SHOWN: usize = 600;

/// A Prefect server.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    authorization: Option<HeaderValue>,
    /// This client's name towards the server's CSRF protection, and the token it got.
    identity: Uuid,
    csrf: Mutex<Option<String>>,
}

/// An answer that was no failure of the connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; `Null` where there is none.
    pub body: Value,
}

impl Client {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// Certificates cannot be read.
    pub fn new(settings: Settings) -> Result<Self, PrefectError> {
        // Another library of the program may have chosen one already: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            // Not Prefect's own name: the server would then expect concurrency leases to be renewed.
            .user_agent(concat!("flowimage/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60));
        if settings.api_url.starts_with("http://") {
            // Certificates are not read where none is needed: an image may have none.
            http = http.tls_certs_only([]);
        } else if settings.insecure {
            http = http.tls_certs_only([]).tls_danger_accept_invalid_certs(true);
        } else if let Some(path) = &settings.certificates {
            let failed = |reason: String| PrefectError::Certificates {
                path: path.clone(),
                reason,
            };
            let pem = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| failed(format!("holds no certificates: {error}")))?;
            http = http.tls_certs_only(certificates);
        }
        let authorization = settings.credentials.as_ref().map(|credentials| {
            let value = match credentials {
                Credentials::AuthString(text) => {
                    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
                }
                Credentials::ApiKey(key) => format!("Bearer {key}"),
            };
            let mut value = HeaderValue::from_str(&value).map_err(|_| PrefectError::Unauthorized {
                url: settings.api_url.clone(),
                known: Some(credentials.variable()),
            })?;
            value.set_sensitive(true);
            Ok(value)
        });
        let client = http.build().map_err(|source| PrefectError::Client {
            url: settings.api_url.clone(),
            source,
        })?;
        Ok(Self {
            http: client,
            authorization: authorization.transpose()?,
            settings,
            identity: Uuid::new_v4(),
            csrf: Mutex::default(),
        })
    }

    /// How the server is reached.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request, again where the server is away or too busy, as long as `patience` lasts.
    ///
    /// # Errors
    /// No answer, refused credentials, a busy server. Every other status is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer, PrefectError> {
        let body = body.map(Value::to_string);
        self.send_text(method, path, body.as_deref(), patience).await
    }

    async fn send_text(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        patience: Duration,
    ) -> Result<Answer, PrefectError> {
        let until = Instant::now() + patience;
        let mut pause = Duration::from_millis(100);
        let mut renewed = false;
        loop {
            let tried = self.once(&method, path, body).await;
            let again = match &tried {
                Ok(answer) => [408, 429, 502, 503, 504].contains(&answer.status),
                Err(PrefectError::Unreachable { .. }) => true,
                Err(_) => false,
            };
            if let Ok(answer) = &tried
                && answer.status == 403
                && !renewed
                && answer.body.to_string().contains("CSRF")
            {
                renewed = true;
                *self.csrf.lock().await = Some(self.csrf_token().await?);
                continue;
            }
            if !again || Instant::now() + pause > until {
                return match tried? {
                    Answer { status: 401, .. } => Err(PrefectError::Unauthorized {
                        url: self.settings.api_url.clone(),
                        known: self.settings.credentials.as_ref().map(Credentials::variable),
                    }),
                    answer if again => Err(answer.refused(&method, path)),
                    answer => Ok(answer),
                };
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks; anything but success is an error.
    ///
    /// # Errors
    /// As [`Client::send`], and every status that is no success.
    pub async fn get(&self, path: &str, patience: Duration) -> Result<Value, PrefectError> {
        self.expect(Method::GET, path, None, patience).await
    }

    /// Sends a body; anything but success is an error.
    ///
    /// # Errors
    /// As [`Client::send`], and every status that is no success.
    pub async fn post(&self, path: &str, body: &Value, patience: Duration) -> Result<Value, PrefectError> {
        self.expect(Method::POST, path, Some(body), patience).await
    }

    /// Sends a body that is written already; anything but success is an error.
    ///
    /// # Errors
    /// As [`Client::send`], and every status that is no success.
    pub async fn post_text(&self, path: &str, body: &str, patience: Duration) -> Result<Value, PrefectError> {
        let answer = self.send_text(Method::POST, path, Some(body), patience).await?;
        answer.expect_success(&Method::POST, path)
    }

    async fn expect(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Value, PrefectError> {
        let answer = self.send(method.clone(), path, body, patience).await?;
        answer.expect_success(&method, path)
    }

    async fn once(&self, method: &Method, path: &str, body: Option<&str>) -> Result<Answer, PrefectError> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.settings.api_url))
            .header("X-PREFECT-API-VERSION", API_VERSION);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if *method != Method::GET
            && let Some(token) = &*self.csrf.lock().await
        {
            request = request
                .header("Prefect-Csrf-Client", self.identity.to_string())
                .header("Prefect-Csrf-Token", token);
        }
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_owned());
        }
        let unreachable = |source: reqwest::Error| PrefectError::Unreachable {
            url: self.settings.api_url.clone(),
            source: Box::new(source.without_url()),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) if status.is_success() => {
                return Err(PrefectError::NotPrefect {
                    url: self.settings.api_url.clone(),
                    said: format!("it answers {path} with something that is no JSON"),
                });
            }
            Err(_) => json!({ "detail": String::from_utf8_lossy(&bytes) }),
        };
        Ok(Answer {
            status: status.as_u16(),
            body,
        })
    }

    async fn csrf_token(&self) -> Result<String, PrefectError> {
        let path = format!("/csrf-token?client={}", self.identity);
        let answer = self.once(&Method::GET, &path, None).await?;
        match answer.body["token"].as_str() {
            Some(token) if answer.status == StatusCode::OK.as_u16() => Ok(token.to_owned()),
            _ => Err(answer.refused(&Method::GET, "/csrf-token")),
        }
    }
}

impl Answer {
    fn expect_success(self, method: &Method, path: &str) -> Result<Value, PrefectError> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            Err(self.refused(method, path))
        }
    }

    /// The error that this answer is where another was hoped for.
    pub fn refused(&self, method: &Method, path: &str) -> PrefectError {
        let mut said = complaint(&self.body);
        if let Some((end, _)) = said.char_indices().nth(SHOWN) {
            said.truncate(end);
            said.push('…');
        }
        PrefectError::Answer {
            status: self.status,
            what: format!("{method} {path}"),
            said,
        }
    }
}

/// The server's words: those of its validation one by one, with the place in the body.
fn complaint(body: &Value) -> String {
    if let Some(details) = body["exception_detail"].as_array().or(body["detail"].as_array()) {
        let lines = details.iter().map(|detail| {
            let place: Vec<_> = detail["loc"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                .collect();
            format!(
                "{}: {}",
                place.join("."),
                detail["msg"].as_str().unwrap_or_default()
            )
        });
        return lines.collect::<Vec<_>>().join("; ");
    }
    match body.get("detail").or_else(|| body.get("exception_message")) {
        Some(Value::String(text)) => text.trim().to_owned(),
        _ => body.to_string(),
    }
}
