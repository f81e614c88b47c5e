//! Writing: what the repository lacks of an image, its manifest last; then it must serve what was sent.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode, Url};

use super::request::{Body, Request};
use super::upload::{Begun, Content};
use super::{Place, RegistryError, Repository};
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
    /// Asks whether an image may be pushed, before it is made: an upload is begun. The configuration of an image that is
    /// pushed goes there; [`Registries::give_up_uploads`](super::Registries::give_up_uploads) ends what was not needed.
    ///
    /// # Errors
    /// It may not, or the registry does not answer.
    pub async fn may_push(&self) -> Result<(), RegistryError> {
        if let Begun::At(place, _) = self.begin(None).await? {
            self.registries.begun().push((self.place(), place));
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
        if let Some(tag) = tag {
            self.tag(image, tag).await?;
        }
        Ok(digest)
    }

    /// Moves a tag to an image that was pushed.
    ///
    /// # Errors
    /// The registry does not answer or refuses.
    pub async fn tag(&self, image: &Image, tag: &str) -> Result<(), RegistryError> {
        match self.put_manifest(image, tag).await? {
            Held::Yes => Ok(()),
            Held::BlobMissing(error) => Err(error),
        }
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
            None => self.send_config(&config, &image.config, ask).await,
        });
        let parallel = self.settings().parallel.max(1);
        sent.buffer_unordered(parallel).try_collect::<()>().await
    }

    /// Where an upload was begun, sending costs no more than asking.
    async fn send_config(&self, config: &Descriptor, bytes: &[u8], ask: Ask) -> Result<(), RegistryError> {
        let content = Content::Bytes(bytes);
        if let Some(place) = self.take_begun()
            // It may be too old: the image was built meanwhile.
            && self.upload_at(config, content, place).await
        {
            return Ok(());
        }
        if ask == Ask::First && self.has(config).await? {
            return Ok(());
        }
        self.upload(config, content).await
    }

    fn take_begun(&self) -> Option<Url> {
        let mut begun = self.registries.begun();
        let place = self.place();
        let found = begun.iter().position(|(it, _)| *it == place)?;
        Some(begun.swap_remove(found).1)
    }

    /// Sends a layer that the repository lacks. Of several repositories of a registry that lack it, one gets it, and the
    /// others take it over from there.
    async fn send_layer(&self, layer: &Layer, layout: &Layout, ask: Ask) -> Result<(), RegistryError> {
        let blob = &layer.blob;
        let turn = self.registries.turn(&self.registry, &blob.digest);
        let mut known = turn.lock().await;
        if ask == Ask::First
            && let Some(place) = known.clone()
        {
            drop(known);
            let from = format!("{}/{}", self.registry, place.path);
            // What one of them lacked a moment ago, the others lack too; where it is not taken over, they are asked.
            let is_lacking = place.is_new && place.path != self.path;
            if is_lacking && self.mount(blob, &from).await?
                || self.has(blob).await?
                || !is_lacking && self.mount(blob, &from).await?
            {
                return Ok(());
            }
            return self.send_file(layer, layout).await;
        }
        let is_new = ask == Ask::Never || !self.has(blob).await?;
        if is_new {
            self.send_file(layer, layout).await?;
        }
        *known = Some(Place {
            path: self.path.clone(),
            is_new,
        });
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
