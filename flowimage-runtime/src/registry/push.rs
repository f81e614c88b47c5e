//! Writing: what the repository lacks of an image, its manifest last; then it must serve what was sent.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};

use super::request::{Body, Request};
use super::upload::{Begun, Content};
use super::{RegistryError, Repository};
use crate::layout::Layout;
use crate::oci::{Descriptor, Digest, Image, Layer, Source};

/// Times that blobs are sent again which the registry had, and has no more when the manifest names them.
const ROUNDS: u32 = 3;

/// Codes of a registry that misses what a manifest names. Source: the error codes of the distribution specification.
const MISSING: [&str; 2] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"];

/// Whether a repository is asked before a blob is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    First,
    /// Its answers were wrong before.
    Never,
}

impl Repository {
    /// Asks whether an image may be pushed, before it is made: an upload is begun and given up.
    ///
    /// # Errors
    /// It may not, or the registry does not answer.
    pub async fn may_push(&self) -> Result<(), RegistryError> {
        if let Begun::At(place, _) = self.begin(None).await? {
            // Registries drop uploads that nobody goes on with; this one need not wait.
            let _ = self.once(&Request::new(Method::DELETE, place)).await;
        }
        Ok(())
    }

    /// Sends what the repository lacks of an image, several blobs at a time, its manifest last, by digest; sees that
    /// the registry serves it; and only then moves the tag.
    ///
    /// Layers in another repository of the registry are mounted. Those of another registry, and those that the
    /// registry does not mount, pass through `layout`.
    ///
    /// # Errors
    /// The registry does not answer or refuses; a layer cannot be read; other bytes are served than were sent.
    pub async fn push(
        &self,
        image: &Image,
        tag: Option<&str>,
        layout: &Layout,
    ) -> Result<Digest, RegistryError> {
        let digest = image.digest();
        let mut ask = Ask::First;
        for round in 1.. {
            self.send_blobs(image, layout, ask).await?;
            match self.put_manifest(image, digest.as_str()).await? {
                Held::Yes => break,
                Held::BlobMissing(error) if round == ROUNDS => return Err(error),
                Held::BlobMissing(_) => ask = Ask::Never,
            }
        }
        self.see(image, &digest).await?;
        if let Some(tag) = tag
            && let Held::BlobMissing(error) = self.put_manifest(image, tag).await?
        {
            return Err(error);
        }
        Ok(digest)
    }

    async fn send_blobs(&self, image: &Image, layout: &Layout, ask: Ask) -> Result<(), RegistryError> {
        let config = Descriptor::of(image.config_media_type.clone(), &image.config);
        let mut seen = BTreeSet::new();
        let layers = image.layers.iter();
        let layers = layers
            .filter(|layer| seen.insert(layer.blob.digest.clone()))
            .map(Some);
        // `None` is the configuration.
        let jobs: Vec<Option<&Layer>> = layers.chain([None]).collect();
        let sent = stream::iter(jobs).map(async |job| match job {
            Some(layer) => self.send_layer(layer, layout, ask).await,
            None if ask == Ask::First && self.has(&config).await? => Ok(()),
            None => self.upload(&config, Content::Bytes(&image.config)).await,
        });
        let parallel = self.settings().parallel.max(1);
        sent.buffer_unordered(parallel).try_collect::<()>().await
    }

    /// Sends a layer that the repository lacks. Of several repositories of a registry that lack it, one gets it, and the
    /// others take it over from there.
    async fn send_layer(&self, layer: &Layer, layout: &Layout, ask: Ask) -> Result<(), RegistryError> {
        let blob = &layer.blob;
        let turn = self.registries.turn(&self.registry, &blob.digest);
        if ask == Ask::First && self.has(blob).await? {
            // Who is sending it elsewhere will know a place soon enough.
            if let Ok(mut place) = turn.try_lock() {
                place.get_or_insert_with(|| self.path.clone());
            }
            return Ok(());
        }
        let mut place = turn.lock().await;
        if let Some(path) = place.clone()
            && ask == Ask::First
        {
            drop(place);
            // Sent while we waited, or to be had from its neighbour; where that is refused, each sends for itself.
            if path == self.path && self.has(blob).await?
                || self.mount(blob, &format!("{}/{path}", self.registry)).await?
            {
                return Ok(());
            }
            return self.send_file(layer, layout).await;
        }
        self.send_file(layer, layout).await?;
        *place = Some(self.path.clone());
        Ok(())
    }

    async fn send_file(&self, layer: &Layer, layout: &Layout) -> Result<(), RegistryError> {
        let blob = &layer.blob;
        match &layer.source {
            Source::File(path) => self.upload(blob, Content::File(path)).await,
            Source::Repository(place) => {
                if self.mount(blob, place).await? {
                    return Ok(());
                }
                let path = self.registries.fetch(place, blob, layout).await?;
                self.upload(blob, Content::File(&path)).await
            }
        }
    }

    /// Whether the registry took a blob over from another of its repositories.
    async fn mount(&self, blob: &Descriptor, place: &str) -> Result<bool, RegistryError> {
        let from = place.strip_prefix(&self.registry);
        let Some(from) = from.and_then(|rest| rest.strip_prefix('/')) else {
            return Ok(false);
        };
        if from == self.path {
            return Ok(false);
        }
        let reading_both = Repository {
            mounts_from: Some(from.to_owned()),
            ..self.clone()
        };
        match reading_both.begin(Some((blob, from))).await {
            Ok(Begun::Mounted) => Ok(true),
            Ok(Begun::At(place, _)) => {
                let _ = self.once(&Request::new(Method::DELETE, place)).await;
                Ok(false)
            }
            // A right to read there that we lack, or a registry that knows no mounting: the layer takes the long way.
            Err(RegistryError::Answer { .. } | RegistryError::Unauthorized { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put_manifest(&self, image: &Image, reference: &str) -> Result<Held, RegistryError> {
        let request = Request::new(Method::PUT, self.url(&format!("manifests/{reference}"))?)
            .header(CONTENT_TYPE, image.media_type.clone())
            .body(Body::Bytes(image.manifest.clone()));
        let response = self.send(&request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Held::Yes);
        }
        let (code, said) = self.words(response).await;
        let error = self.answer(status, "the manifest", &said);
        if MISSING.contains(&code.as_str()) && status != StatusCode::FORBIDDEN {
            return Ok(Held::BlobMissing(error));
        }
        Err(error)
    }

    /// What will be registered must be what the registry serves.
    async fn see(&self, image: &Image, digest: &Digest) -> Result<(), RegistryError> {
        match self.manifest_bytes(digest).await? {
            Some(bytes) if bytes == image.manifest => Ok(()),
            Some(_) => Err(self.wrong("another manifest".to_owned(), digest.clone())),
            None => Err(self.wrong("nothing".to_owned(), digest.clone())),
        }
    }
}

/// What became of a manifest.
enum Held {
    Yes,
    /// The registry misses a blob that it had, or that was just sent.
    BlobMissing(RegistryError),
}
