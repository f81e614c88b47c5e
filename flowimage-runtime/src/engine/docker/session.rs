//! A BuildKit session that serves secrets to one build.
//!
//! bollard 0.21 serves either a build whose progress is told and whose context is streamed, or one with secrets. So the
//! session is ours, on a connection of its own, and bollard sends the build that names it.
//!
//! Source of the protocol: moby, `api/server/router/session`; BuildKit, `session/grpc.go`.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;

use bollard::BollardRequest;
use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use futures_util::{Stream, stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tonic::transport::server::{Connected, Server};
use tonic::{Request, Response, Status};

use super::super::{BuildSecret, EngineAddress};
use super::{Engine, EngineError};
use crate::unique::unique;

/// The bytes of an answer's head that are read at most.
const HEAD: usize = 16 << 10;

/// Serves until it is dropped.
pub(super) struct BuildSession {
    /// What the build calls it.
    pub(super) id: String,
    server: JoinHandle<()>,
}

impl Drop for BuildSession {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl BuildSession {
    /// Begins to serve these secrets.
    pub(super) async fn open(engine: &Engine, secrets: &[BuildSecret]) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::Answer {
            action: "take in a session for the secrets of a build".to_owned(),
            source: Box::new(error),
        };
        let id = unique();
        let secrets = Served {
            values: secrets
                .iter()
                .map(|secret| (secret.id.clone(), secret.value.clone()))
                .collect(),
        };
        let unix = match (&engine.address, &engine.tunnel) {
            (_, Some(tunnel)) => Some(tunnel.socket()),
            (EngineAddress::Unix(path), _) => Some(path.clone()),
            _ => None,
        };
        let server = match (unix, &engine.address) {
            (Some(path), _) => {
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                serve(upgraded(stream, &id).await.map_err(failed)?, secrets)
            }
            (None, EngineAddress::Tcp(authority)) => {
                let stream = TcpStream::connect(authority).await.map_err(failed)?;
                serve(upgraded(stream, &id).await.map_err(failed)?, secrets)
            }
            (None, address) => {
                return Err(EngineError::Unsupported {
                    what: format!("be given secrets over the connection {address}: reach it over ssh://"),
                    engine: engine.info().await?.to_string(),
                });
            }
        };
        Ok(Self { id, server })
    }
}

/// Makes bollard send a build to BuildKit without a session of its own beside ours.
pub(super) fn to_buildkit(mut request: BollardRequest) -> BollardRequest {
    let uri = request.uri().to_string();
    let is_build = request.uri().path().ends_with("/build");
    if let (true, Ok(uri)) = (is_build, uri.replace("version=1", "version=2").parse()) {
        *request.uri_mut() = uri;
    }
    super::repair_logins(request)
}

/// Asks the engine to become the client of this connection.
async fn upgraded<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, id: &str) -> io::Result<S> {
    let head = format!(
        "POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
         X-Docker-Expose-Session-Uuid: {id}\r\n\
         X-Docker-Expose-Session-Grpc-Method: /moby.buildkit.secrets.v1.Secrets/GetSecret\r\n\
         Content-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the head is the engine's first frame.
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < HEAD {
        answer.push(stream.read_u8().await?);
    }
    let answer = String::from_utf8_lossy(&answer);
    match answer.split(' ').nth(1) {
        Some("101") => Ok(stream),
        _ => Err(io::Error::other(
            answer.lines().next().unwrap_or_default().to_owned(),
        )),
    }
}

fn serve<S>(stream: S, secrets: Served) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let served = Server::builder()
        .add_service(HealthServer::new(Healthy))
        .add_service(SecretsServer::new(secrets))
        // One connection and then none for ever, so that the server does not end before it.
        .serve_with_incoming(futures_util::StreamExt::chain(
            stream::iter([Ok::<_, io::Error>(stream)]),
            stream::pending(),
        ));
    tokio::spawn(async move {
        // What breaks here breaks the build, which says so.
        let _ = served.await;
    })
}

struct Served {
    values: HashMap<String, Vec<u8>>,
}

#[tonic::async_trait]
impl Secrets for Served {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        match self.values.get(id) {
            Some(value) => Ok(Response::new(GetSecretResponse { data: value.clone() })),
            None => Err(Status::not_found(format!("the secret `{id}` is not declared"))),
        }
    }
}

/// BuildKit asks whether the session still lives.
struct Healthy;

type Watched = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

fn serving() -> HealthCheckResponse {
    HealthCheckResponse {
        status: ServingStatus::Serving.into(),
    }
}

#[tonic::async_trait]
impl Health for Healthy {
    type WatchStream = Watched;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(serving()))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse {
            statuses: HashMap::from([(String::new(), serving())]),
        }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Watched>, Status> {
        let now = stream::iter([Ok(serving())]);
        Ok(Response::new(Box::pin(futures_util::StreamExt::chain(
            now,
            stream::pending(),
        ))))
    }
}
