//! Building an image.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use super::super::{
    BuildEvent, BuildFailure, BuildRequest, Builder, Dockerfile, LABEL, LABEL_PROJECT, Network,
};
use super::builder_output::{BuilderOutput, looked_up};
use super::cleanup::Cleanup;
use super::images::{credentials, pull_fault};
use super::session::{BuildSession, to_buildkit};
use super::{Engine, EngineError};
use crate::oci::{Digest, sha256};
use crate::unique::unique;

impl Engine {
    /// Builds an image and gives its ID; it has no name, so a build that fails leaves none behind.
    ///
    /// Shape: `context` is a tar archive, streamed and never held whole; its end-of-archive mark may be missing.
    /// Dropping the future cancels the build at the engine and removes what the classic builder made for it;
    /// Podman finishes the step that runs and stops then.
    /// Errors: [`EngineError::Build`] with the failing instruction, [`EngineError::BaseNotFound`],
    /// [`EngineError::PullUnauthorized`], [`EngineError::Context`], [`EngineError::EngineDied`].
    pub async fn build(
        &self,
        request: &BuildRequest,
        context: impl AsyncRead + Send + 'static,
        on_event: &mut (dyn FnMut(BuildEvent) + Send),
    ) -> Result<Digest, EngineError> {
        let mut options = self.options(request).await?;
        let is_buildkit = options.session.is_some();
        let dockerfile = match &request.dockerfile {
            // What the classic builder makes on its way stays when the engine is killed.
            Dockerfile::Text(text) if !is_buildkit => {
                Dockerfile::Text(with_labels(text, &own_labels(request)))
            }
            other => other.clone(),
        };
        let logins = request
            .logins
            .iter()
            .map(|login| (login.registry.clone(), credentials(login)))
            .collect();
        if let Dockerfile::Text(text) = &dockerfile {
            options.dockerfile = reserved_name(text);
        }
        let (body, mut context) = Context::body(&dockerfile, context);
        let mut docker = self.patient();
        let session = match (&request.secrets[..], is_buildkit) {
            ([], _) => None,
            (secrets, true) => Some(BuildSession::open(self, secrets).await?),
            (_, false) => {
                return Err(EngineError::Unsupported {
                    what: "keep secrets out of the layers of a build without BuildKit".to_owned(),
                    engine: self.info().await?.to_string(),
                });
            }
        };
        if let Some(session) = &session {
            docker = docker.with_request_modifier(to_buildkit);
            options.version = BuilderVersion::BuilderV1;
            options.session = Some(session.id.clone());
        }
        let mut messages = docker.build_image(options, Some(logins), Some(body_try_stream(body)));
        let mut output = BuilderOutput::default();
        let mut left = Cleanup::new(self);
        let failed = loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(message)) => {
                        output.take(message, on_event);
                        left.images.clone_from(&output.images);
                    }
                    Some(Err(error)) => break Some(error),
                    None => break None,
                },
                Ok(()) = context.sent.changed() => {
                    on_event(BuildEvent::ContextBytes(*context.sent.borrow_and_update()));
                }
            }
        };
        drop(messages);
        if let Some(error) = context.take_error() {
            return Err(EngineError::Context(error));
        }
        match failed {
            None => output.finish(on_event),
            Some(error) => {
                let error = self.build_failed(request.dockerfile.text(), &mut output, error);
                left.now().await;
                return Err(error);
            }
        }
        match output.image {
            Some(id) => {
                left.keep();
                Ok(id)
            }
            // Every builder ends a good build with the image's ID.
            None => Err(EngineError::EngineDied {
                address: self.address.to_string(),
                during: "was building",
                source: None,
            }),
        }
    }

    async fn options(&self, request: &BuildRequest) -> Result<BuildImageOptions, EngineError> {
        let info = self.info().await?;
        let builder = match request.builder {
            Some(Builder::BuildKit) if !info.buildkit => {
                return Err(EngineError::Unsupported {
                    what: "build with BuildKit".to_owned(),
                    engine: info.to_string(),
                });
            }
            Some(builder) => builder,
            None if info.buildkit => Builder::BuildKit,
            None => Builder::Classic,
        };
        let mut labels: HashMap<String, String> = request.labels.clone().into_iter().collect();
        labels.extend(own_labels(request));
        Ok(BuildImageOptions {
            dockerfile: match &request.dockerfile {
                Dockerfile::Text(_) => String::new(),
                Dockerfile::InContext { path, .. } => path.clone(),
            },
            buildargs: Some(request.build_args.clone().into_iter().collect()),
            labels: Some(labels),
            platform: request
                .platform
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            networkmode: match request.network {
                Network::Default => None,
                Network::Host => Some("host".to_owned()),
                Network::None => Some("none".to_owned()),
            },
            cachefrom: (!request.cache_from.is_empty()).then(|| request.cache_from.clone()),
            nocache: request.no_cache,
            rm: true,
            forcerm: true,
            version: match builder {
                Builder::BuildKit => BuilderVersion::BuilderBuildKit,
                Builder::Classic => BuilderVersion::BuilderV1,
            },
            // A session serves one build; a second one with the same name would be mixed up with it.
            session: (builder == Builder::BuildKit).then(unique),
            ..Default::default()
        })
    }

    fn build_failed(&self, dockerfile: &str, output: &mut BuilderOutput, error: Error) -> EngineError {
        let message = match error {
            Error::DockerStreamError { error } => error,
            // What is wrong with the Dockerfile's form is refused before the stream begins.
            Error::DockerResponseServerError {
                status_code: 400..=499,
                message,
            } => message,
            error => {
                return match self.failed_during("was building", "build an image", error) {
                    EngineError::Refused {
                        message,
                        status: Some(500),
                        ..
                    } => classify(output.failure(dockerfile, &message)),
                    other => other,
                };
            }
        };
        classify(output.failure(dockerfile, &message))
    }
}

/// A failure to get the base, or to write, is told apart from one of the author's own steps.
fn classify(failure: BuildFailure) -> EngineError {
    let message = failure.message.clone();
    let step = failure.step.clone().unwrap_or_default();
    let mut words = step.split_whitespace();
    let from = match words.next() {
        Some(word) if word.eq_ignore_ascii_case("FROM") => words.find(|word| !word.starts_with("--")),
        _ => looked_up(&step),
    };
    if let Some(fault) = from.and_then(|reference| pull_fault(reference, &message)) {
        return fault;
    }
    if failure.exit_code.is_none() && message.contains("no space left on device") {
        return EngineError::NoSpace {
            action: "build an image".to_owned(),
            message,
        };
    }
    failure.into()
}

/// What everything bears that is made for a build.
fn own_labels(request: &BuildRequest) -> Vec<(String, String)> {
    let mut labels = vec![(LABEL.to_owned(), "1".to_owned())];
    if let Some(project) = &request.project {
        labels.push((LABEL_PROJECT.to_owned(), project.clone()));
    }
    labels
}

/// The text with labels at the start of each stage. They go on the `FROM`'s own line's successor, so what follows
/// is found by its instruction, not by its number.
fn with_labels(text: &str, labels: &[(String, String)]) -> String {
    // A text with mistakes stays as it is, so that the engine's line numbers are the author's.
    let Ok(parsed) = flowimage_model::dockerfile::Dockerfile::parse(text) else {
        return text.to_owned();
    };
    let mut after_from = Vec::new();
    let mut instructions = parsed.instructions().iter().peekable();
    while let Some(instruction) = instructions.next() {
        if instruction.word == "FROM" {
            after_from.push(instructions.peek().map_or(usize::MAX, |next| next.line));
        }
    }
    let words: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let label = format!("LABEL {}\n", words.join(" "));
    let mut labelled = String::with_capacity(text.len() + after_from.len() * label.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if after_from.contains(&(number + 1)) {
            labelled.push_str(&label);
        }
        labelled.push_str(line);
    }
    if after_from.contains(&usize::MAX) {
        if !labelled.ends_with('\n') {
            labelled.push('\n');
        }
        labelled.push_str(&label);
    }
    labelled
}

/// Where a Dockerfile travels: a name that is the same for the same text, and that no context will have.
fn reserved_name(text: &str) -> String {
    format!(".flowimage.{}.Dockerfile", sha256(text.as_bytes()).short())
}

/// The caller's end of a context that is being sent.
struct Context {
    sent: watch::Receiver<u64>,
    error: Arc<Mutex<Option<io::Error>>>,
}

impl Context {
    /// The archive as it is sent: our Dockerfile, the caller's entries, the mark of the end.
    fn body(
        dockerfile: &Dockerfile,
        context: impl AsyncRead + Send + 'static,
    ) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, Self) {
        let first = match dockerfile {
            Dockerfile::Text(text) => entry(&reserved_name(text), text.as_bytes()),
            Dockerfile::InContext { .. } => Bytes::new(),
        };
        let (counter, sent) = watch::channel(0);
        let error = Arc::new(Mutex::new(None));
        let failed = error.clone();
        let entries = ReaderStream::with_capacity(context, 64 << 10).map(move |chunk| {
            match &chunk {
                Ok(bytes) => counter.send_modify(|sent| *sent += bytes.len() as u64),
                Err(error) => {
                    if let Ok(mut failed) = failed.lock() {
                        *failed = Some(io::Error::new(error.kind(), error.to_string()));
                    }
                }
            }
            chunk
        });
        // What follows the end of an archive is not looked at, so a context that has its own is not harmed.
        let end = Bytes::from_static(&[0; 1024]);
        let body = stream::once(async { Ok(first) })
            .chain(entries)
            .chain(stream::once(async { Ok(end) }));
        (body, Self { sent, error })
    }

    fn take_error(&self) -> Option<io::Error> {
        self.error.lock().ok()?.take()
    }
}

/// One file of a tar archive, without the archive's end.
fn entry(name: &str, bytes: &[u8]) -> Bytes {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    // The name is ours and short, so it fits.
    let _ = header.set_path(name);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    Bytes::from(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn every_stage_is_labelled_from_its_start() {
        let labels = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        assert_eq!(
            with_labels("FROM x AS one\n# note\nRUN a \\\n  b\nFROM \\\n  y", &labels),
            "FROM x AS one\n# note\nLABEL a=1 b=2\nRUN a \\\n  b\nFROM \\\n  y\nLABEL a=1 b=2\n"
        );
    }

    #[tokio::test]
    async fn the_context_is_one_archive_with_our_dockerfile_first() {
        let mut caller = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        caller.append_data(&mut header, "a.txt", &b"abc"[..]).unwrap();
        let text = "FROM scratch\n".repeat(100);
        for cut in [0, 1024] {
            let mut bytes = caller.get_ref().clone();
            bytes.resize(bytes.len() + cut, 0);
            let (body, context) =
                Context::body(&Dockerfile::Text(text.clone()), io::Cursor::new(bytes.clone()));
            let sent: Vec<Bytes> = body.map(Result::unwrap).collect().await;
            let sent = sent.concat();
            let mut archive = tar::Archive::new(&sent[..]);
            let entries: Vec<(String, String)> = archive
                .entries()
                .unwrap()
                .map(|entry| {
                    let mut entry = entry.unwrap();
                    let mut text = String::new();
                    entry.read_to_string(&mut text).unwrap();
                    (entry.path().unwrap().display().to_string(), text)
                })
                .collect();
            assert_eq!(
                entries,
                [
                    (reserved_name(&text), text.clone()),
                    ("a.txt".to_owned(), "abc".to_owned())
                ]
            );
            assert_eq!(*context.sent.borrow(), bytes.len() as u64);
            assert!(context.take_error().is_none());
        }
    }
}
