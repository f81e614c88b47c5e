//! Getting an image's layers out of an engine.

use std::io::{self, Read};
use std::path::Path;

use bollard::errors::Error;
use futures_util::StreamExt;
use futures_util::stream::{AbortHandle, Abortable, BoxStream};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::super::{EngineImage, ExportedImage, SavedError, SavedLimits, read_saved};
use super::{Engine, EngineError};
use crate::oci::Digest;

/// A body of the engine as a blocking reader, for use on a blocking thread.
pub(super) type BodyReader =
    SyncIoBridge<StreamReader<BoxStream<'static, io::Result<bytes::Bytes>>, bytes::Bytes>>;

/// Ends the body when dropped, so that the thread that reads it ends too.
pub(super) struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body of the engine for a blocking thread, and what ends it early.
pub(super) fn body_reader(
    body: impl futures_util::Stream<Item = Result<bytes::Bytes, Error>> + Send + 'static,
) -> (BodyReader, EndOnDrop) {
    let (handle, registration) = AbortHandle::new_pair();
    let bytes = body.map(|chunk| chunk.map_err(io::Error::other));
    let stream = Abortable::new(bytes, registration).boxed();
    (SyncIoBridge::new(StreamReader::new(stream)), EndOnDrop(handle))
}

impl Engine {
    /// Reads an image's export once, and gives the plain tar of each wanted layer to `take`.
    ///
    /// Shape: `take` is called on another thread, once for each of `wanted` in no particular order, after the
    /// bytes were found to have that digest; until then they are in an unnamed file in `spool`.
    /// Errors: [`EngineError::Export`] when the archive does not hold what the image's ID promises.
    pub async fn export_layers<F>(
        &self,
        image: &EngineImage,
        wanted: &[Digest],
        limits: &SavedLimits,
        spool: &Path,
        mut take: F,
    ) -> Result<ExportedImage, EngineError>
    where
        F: FnMut(&Digest, &mut dyn Read) -> io::Result<()> + Send + 'static,
    {
        let docker = self.patient();
        let id = image.id.clone();
        let body = async_body(docker, id.to_string());
        let (reader, _end) = body_reader(body);
        let (scheme, wanted, limits, spool) = (image.id_scheme, wanted.to_vec(), *limits, spool.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            read_saved(reader, (&id, scheme), &wanted, &limits, &spool, &mut take)
        });
        let name = image.id.to_string();
        match read.await {
            Ok(Ok(exported)) => Ok(exported),
            Ok(Err(SavedError::Read(error))) => Err(self.broken_export(name, error)),
            Ok(Err(source)) => Err(EngineError::Export { image: name, source }),
            Err(error) => Err(EngineError::Export {
                image: name,
                source: SavedError::Read(io::Error::other(error)),
            }),
        }
    }

    /// Tells an engine that refused or went away from an archive that is broken.
    fn broken_export(&self, image: String, error: io::Error) -> EngineError {
        let from_engine = error.get_ref().is_some_and(|inner| inner.is::<Error>());
        match error.into_inner() {
            Some(inner) if from_engine => match inner.downcast::<Error>() {
                Ok(error) => match *error {
                    Error::DockerResponseServerError { status_code: 404, .. } => {
                        EngineError::NoImage { reference: image }
                    }
                    error => self.failed_during("was exporting an image", &format!("export {image}"), error),
                },
                Err(inner) => EngineError::Export {
                    image,
                    source: SavedError::Read(io::Error::other(inner)),
                },
            },
            inner => EngineError::Export {
                image,
                source: SavedError::Read(match inner {
                    Some(inner) => io::Error::other(inner),
                    None => io::ErrorKind::UnexpectedEof.into(),
                }),
            },
        }
    }
}

/// The export as a stream that owns its client.
fn async_body(
    docker: bollard::Docker,
    name: String,
) -> impl futures_util::Stream<Item = Result<bytes::Bytes, Error>> + Send + 'static {
    futures_util::stream::once(async move { docker.export_image(&name).boxed() }).flatten()
}
