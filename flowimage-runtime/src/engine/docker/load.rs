//! Putting an image into an engine.

use std::io::{self, Write};

use bollard::query_parameters::ImportImageOptions;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::super::{
    ArchiveError, ArchiveLayers, EngineAddress, EngineKind, IdScheme, LoadReport, LoadRequest, Progress,
    write_archive,
};
use super::images::{checked, digest};
use super::{Engine, EngineError};
use crate::oci::{Digest, Image, Source};

/// Bytes per chunk on their way to the engine.
const CHUNK: usize = 256 << 10;

impl Engine {
    /// Loads an image, without the layers that the engine is known to have.
    ///
    /// Where the engine refuses an archive without them, all go. Afterwards the engine was asked for the image
    /// and has it under the ID that it must have.
    /// Errors: [`EngineError::LayerElsewhere`] for a layer that must be sent and is not on this machine,
    /// [`EngineError::WrongImage`], [`EngineError::NoSpace`].
    pub async fn load(&self, image: &Image, request: &LoadRequest) -> Result<LoadReport, EngineError> {
        if let Some(name) = &request.name {
            checked(name)?;
        }
        let shared = image
            .layers
            .iter()
            .zip(&request.present)
            .take_while(|(layer, present)| layer.diff_id == **present)
            .count();
        // Podman looks every layer of an archive up in the archive.
        let may_leave_out = shared > 0 && self.info().await?.kind == EngineKind::Docker;
        let elsewhere = |left_out: usize| {
            let layers = image.layers.iter().skip(left_out);
            layers.filter_map(|layer| match &layer.source {
                Source::Repository(repository) => Some((layer.diff_id.clone(), repository.clone())),
                Source::File(_) => None,
            })
        };
        let mut refused = None;
        if may_leave_out {
            if let Some((diff_id, repository)) = elsewhere(shared).next() {
                return Err(EngineError::LayerElsewhere { diff_id, repository });
            }
            let layers = match self.address {
                EngineAddress::Unix(_) => ArchiveLayers::PlainAbove(shared),
                _ => ArchiveLayers::Above(shared),
            };
            match self.load_archive(image, layers, request).await {
                Ok(report) => return Ok(report),
                Err(error @ (EngineError::Refused { .. } | EngineError::NoImage { .. })) => {
                    refused = Some(error)
                }
                Err(error) => return Err(error),
            }
        }
        match (elsewhere(0).next(), refused) {
            (Some(_), Some(refused)) => Err(refused),
            (Some((diff_id, repository)), None) => Err(EngineError::LayerElsewhere { diff_id, repository }),
            (None, refused) => {
                let report = self.load_archive(image, ArchiveLayers::All, request).await?;
                Ok(LoadReport {
                    fell_back: refused.is_some(),
                    ..report
                })
            }
        }
    }

    async fn load_archive(
        &self,
        image: &Image,
        layers: ArchiveLayers,
        request: &LoadRequest,
    ) -> Result<LoadReport, EngineError> {
        let (sender, receiver) = mpsc::channel(4);
        let writer = {
            let (image, name, progress) = (image.clone(), request.name.clone(), request.progress.clone());
            tokio::task::spawn_blocking(move || {
                let out = ChunkWriter {
                    sender: sender.clone(),
                    buffer: Vec::with_capacity(CHUNK),
                    sent: 0,
                    progress,
                };
                let written = write_archive(&image, layers, name.as_deref(), out);
                if let Err(error) = &written {
                    // The engine must not take a cut archive for a whole one.
                    let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
                }
                written
            })
        };
        let chunks = futures_util::stream::unfold(
            receiver,
            |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async {
                receiver.recv().await.map(|chunk| (chunk, receiver))
            },
        );
        let docker = self.patient();
        let mut lines = docker.import_image_stream(ImportImageOptions::default(), chunks, None);
        let mut loaded = None;
        let mut failure = None;
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => {
                    if let Some(text) = &line.stream {
                        loaded = loaded_id(text).or(loaded);
                    }
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        drop(lines);
        // Our own reason comes first: when the writer failed, the engine can only say that its input broke off.
        match (writer.await, failure) {
            (
                Ok(Err(
                    error @ (ArchiveError::NotHere { .. }
                    | ArchiveError::Layer { .. }
                    | ArchiveError::Length { .. }),
                )),
                _,
            ) => {
                return Err(EngineError::Archive(error));
            }
            (_, Some(error)) => {
                return Err(self.failed_during("was loading an image", "load an image", error));
            }
            (Ok(Err(error)), None) => return Err(EngineError::Archive(error)),
            (Err(error), None) => return Err(EngineError::Archive(io::Error::other(error).into())),
            (Ok(Ok(())), None) => {}
        }
        let (id, id_scheme) = self.verify_loaded(image, loaded).await?;
        let layers_sent = image.layers.len() - layers.left_out();
        Ok(LoadReport {
            id,
            id_scheme,
            layers_sent,
            fell_back: false,
        })
    }

    /// Asks the engine for the image by the IDs it may have; an engine's own word for what it loaded is not
    /// enough, because a load that reads nothing ends well.
    async fn verify_loaded(
        &self,
        image: &Image,
        loaded: Option<Digest>,
    ) -> Result<(Digest, IdScheme), EngineError> {
        for id in [image.id(), image.digest()] {
            if let Some(found) = self.image(id.as_str()).await? {
                return match found
                    .diff_ids
                    .iter()
                    .eq(image.layers.iter().map(|layer| &layer.diff_id))
                {
                    true => Ok((found.id, found.id_scheme)),
                    false => Err(EngineError::WrongImage {
                        expected: image.id(),
                        got: format!("{}, with other layers", found.id),
                    }),
                };
            }
        }
        match loaded {
            Some(got) => Err(EngineError::WrongImage {
                expected: image.id(),
                got: got.to_string(),
            }),
            None => Err(EngineError::NoImage {
                reference: image.id().to_string(),
            }),
        }
    }
}

/// `Loaded image ID: sha256:…` (Docker), `Loaded image: sha256:…` (Podman)
fn loaded_id(text: &str) -> Option<Digest> {
    let (_, name) = text.trim().rsplit_once(": ")?;
    digest(name).ok()
}

/// A writer whose chunks go to an asynchronous reader; it fails when that reader is gone.
struct ChunkWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
    sent: u64,
    progress: Option<Progress>,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sent += chunk.len() as u64;
        self.sender
            .blocking_send(Ok(Bytes::from(chunk)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        if let Some(progress) = &self.progress {
            (progress.0)(self.sent);
        }
        Ok(())
    }
}
