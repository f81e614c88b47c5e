//! Reading: manifests by tag or digest, indexes by platform, configurations, layers. Nothing is believed unhashed.

use std::io::Write;
use std::path::PathBuf;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::request::{Request, header};
use super::retry::{Tries, Trouble};
use super::{Registries, RegistryError, Repository};
use crate::layout::{BlobWriter, Layout, diff_ids};
use crate::oci::{
    Descriptor, Digest, Hasher, Image, Index, Layer, Manifest, Platform, Source, media_type, sha256,
};
use crate::words::short;

/// The largest manifest, index or configuration that is read.
///
/// Source: the distribution specification asks registries to take manifests of 4 MiB.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// More layers than any engine takes.
const MOST_LAYERS: usize = 1000;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A manifest or index as it is stored.
struct Document {
    bytes: Vec<u8>,
    media_type: String,
}

impl Repository {
    /// The digest of a manifest, by tag or digest, if the repository holds it. One request.
    ///
    /// # Errors
    /// The registry does not answer, or refuses; it names another digest than was asked for.
    pub async fn manifest(&self, reference: &str) -> Result<Option<Digest>, RegistryError> {
        let request = Request::new(Method::HEAD, self.url(&format!("manifests/{reference}"))?);
        let response = self.send(&request.header(ACCEPT, accepted())).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal(response, "a manifest").await),
        }
        let Some(named) = header(&response, &CONTENT_DIGEST) else {
            // Some name none: then the manifest itself says.
            return Ok(self
                .document(reference)
                .await?
                .map(|document| sha256(&document.bytes)));
        };
        let found: Digest = named
            .parse()
            .map_err(|_| self.document_error("the manifest", reference, "its digest is none"))?;
        match reference.parse::<Digest>() {
            Ok(wanted) if wanted != found => Err(self.wrong(found.to_string(), wanted)),
            _ => Ok(Some(found)),
        }
    }

    /// An image by tag or digest, if the repository holds it: manifest and configuration, verified; its layers stay
    /// where they are, as [`Source::Repository`]. Of an index, the image for the platform.
    ///
    /// # Errors
    /// The registry does not answer, or refuses; what it serves is not what its digest says, too large or no image;
    /// there is none for the platform.
    pub async fn image(&self, reference: &str, platform: &Platform) -> Result<Option<Image>, RegistryError> {
        let Some(mut document) = self.document(reference).await? else {
            return Ok(None);
        };
        if matches!(
            document.media_type.as_str(),
            media_type::INDEX | media_type::DOCKER_INDEX
        ) {
            let digest = self.choose(reference, &document.bytes, platform)?;
            document = self
                .document(digest.as_str())
                .await?
                .ok_or_else(|| self.wrong("nothing".to_owned(), digest))?;
        }
        let wrong = |reason: String| self.document_error("the manifest", reference, reason);
        if !matches!(
            document.media_type.as_str(),
            media_type::MANIFEST | media_type::DOCKER_MANIFEST
        ) {
            return Err(wrong(format!(
                "it is of type `{}`",
                short(&document.media_type, 100)
            )));
        }
        let manifest: Manifest =
            serde_json::from_slice(&document.bytes).map_err(|error| wrong(error.to_string()))?;
        if manifest.layers.len() > MOST_LAYERS {
            return Err(wrong(format!("it has {} layers", manifest.layers.len())));
        }
        let config = self.configuration(reference, &manifest.config).await?;
        let diff_ids = diff_ids(&config)
            .filter(|ids| ids.len() == manifest.layers.len())
            .ok_or_else(|| wrong("its layers are not those of its configuration".to_owned()))?;
        let layers = manifest.layers.into_iter().zip(diff_ids);
        let layer = |(blob, diff_id)| Layer {
            blob,
            diff_id,
            source: Source::Repository(self.place()),
        };
        Ok(Some(Image {
            manifest: document.bytes,
            media_type: document.media_type,
            config,
            config_media_type: manifest.config.media_type,
            layers: layers.map(layer).collect(),
        }))
    }

    /// A manifest's bytes, verified.
    pub(super) async fn manifest_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        Ok(self
            .document(digest.as_str())
            .await?
            .map(|document| document.bytes))
    }

    /// The manifest for a platform.
    fn choose(&self, reference: &str, index: &[u8], platform: &Platform) -> Result<Digest, RegistryError> {
        let index: Index = serde_json::from_slice(index)
            .map_err(|error| self.document_error("the index", reference, error.to_string()))?;
        if let Some(found) = index.for_platform(platform) {
            return Ok(found.digest.clone());
        }
        let offered = index.manifests.iter().filter_map(|it| it.platform.as_ref());
        let offered: Vec<_> = offered.take(20).map(|it| short(&it.to_string(), 100)).collect();
        Err(RegistryError::NoPlatform {
            place: self.name(reference),
            wanted: platform.to_string(),
            offered: if offered.is_empty() {
                "none that it names".to_owned()
            } else {
                offered.join(", ")
            },
        })
    }

    async fn document(&self, reference: &str) -> Result<Option<Document>, RegistryError> {
        let request = Request::new(Method::GET, self.url(&format!("manifests/{reference}"))?)
            .header(ACCEPT, accepted());
        let mut tries = Tries::default();
        loop {
            match self.document_once(reference, &request).await {
                Ok(document) => return Ok(document),
                Err(trouble) => tries.again(self, trouble).await?,
            }
        }
    }

    async fn document_once(&self, reference: &str, request: &Request) -> Result<Option<Document>, Trouble> {
        let response = self.once(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal(response, "a manifest").await.into()),
        }
        let text = |name| header(&response, &name).map(str::to_owned);
        let (declared, named) = (text(CONTENT_TYPE), text(CONTENT_DIGEST));
        let bytes = self.read(response, DOCUMENT_LIMIT).await?;
        let bytes = bytes.ok_or_else(|| self.document_error("the manifest", reference, too_large()))?;
        let wanted = reference.parse::<Digest>().ok();
        let wanted = wanted.or_else(|| named?.parse().ok());
        if let Some(wanted) = wanted {
            self.verify(&bytes, wanted)?;
        }
        // What the document says of itself is hashed; what the header says is not.
        let inner: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| self.document_error("the manifest", reference, error.to_string()))?;
        let inner = inner.get("mediaType").and_then(|it| it.as_str());
        let declared = declared.unwrap_or_default();
        let declared = declared.split(';').next().unwrap_or_default().trim();
        let media_type = inner.unwrap_or(declared).to_owned();
        Ok(Some(Document { bytes, media_type }))
    }

    async fn configuration(&self, reference: &str, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let wrong = |reason: String| self.document_error("the configuration", reference, reason);
        if blob.size > DOCUMENT_LIMIT {
            return Err(wrong(too_large()));
        }
        let request = Request::new(Method::GET, self.url(&format!("blobs/{}", blob.digest))?);
        let mut tries = Tries::default();
        loop {
            match self.configuration_once(blob, &request).await {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => return Err(wrong("it is longer than its manifest says".to_owned())),
                Err(trouble) => tries.again(self, trouble).await?,
            }
        }
    }

    async fn configuration_once(
        &self,
        blob: &Descriptor,
        request: &Request,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let response = self.once(request).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response, "a configuration").await.into());
        }
        let bytes = self.read(response, blob.size).await?;
        if let Some(bytes) = &bytes {
            self.verify(bytes, blob.digest.clone())?;
        }
        Ok(bytes)
    }

    /// Bytes that arrived damaged may arrive whole the next time.
    fn verify(&self, bytes: &[u8], wanted: Digest) -> Result<(), Trouble> {
        let found = sha256(bytes);
        if found == wanted {
            Ok(())
        } else {
            Err(Trouble::transient(self.wrong(found.to_string(), wanted)))
        }
    }

    /// Downloads a blob into a layout, which then holds it whole and verified, or not at all. A download that breaks
    /// off goes on where it broke off.
    ///
    /// # Errors
    /// The registry does not answer, refuses or serves other bytes; the layout cannot be written.
    pub async fn fetch(&self, blob: &Descriptor, layout: &Layout) -> Result<PathBuf, RegistryError> {
        if layout.has(blob) {
            return Ok(layout.blob_path(&blob.digest));
        }
        let mut tries = Tries::default();
        let mut download = Download::new(layout)?;
        loop {
            let before = download.length;
            match self.fetch_rest(blob, &mut download).await {
                Ok(()) => {}
                Err(trouble) => {
                    if download.length > before {
                        tries.forget();
                    }
                    tries.again(self, trouble).await?;
                    continue;
                }
            }
            let Download { writer, hasher, .. } = download;
            let (found, _) = hasher.finish();
            if found == blob.digest {
                return writer.keep(&blob.digest).map_err(RegistryError::Layout);
            }
            let wrong = self.wrong(found.to_string(), blob.digest.clone());
            tries.again(self, Trouble::transient(wrong)).await?;
            download = Download::new(layout)?;
        }
    }

    async fn fetch_rest(&self, blob: &Descriptor, download: &mut Download) -> Result<(), Trouble> {
        let mut request = Request::new(Method::GET, self.url(&format!("blobs/{}", blob.digest))?);
        if download.length > 0 {
            request = request.header(RANGE, format!("bytes={}-", download.length));
        }
        let mut response: Response = self.once(&request).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if download.length > 0 => {}
            // From the beginning, though the rest was asked for.
            StatusCode::OK => download.restart()?,
            _ => return Err(self.refusal(response, "a layer").await.into()),
        }
        while let Some(piece) = self.piece(&mut response).await? {
            let piece = piece.as_ref();
            if download.length + piece.len() as u64 > blob.size {
                let found = format!("more than {} bytes", blob.size);
                download.restart()?;
                return Err(Trouble::transient(self.wrong(found, blob.digest.clone())));
            }
            download.add(piece)?;
        }
        if download.length < blob.size {
            return Err(self
                .unreachable(format!(
                    "a layer of {} bytes ended after {}",
                    blob.size, download.length
                ))
                .into());
        }
        Ok(())
    }

    pub(super) fn wrong(&self, found: String, wanted: Digest) -> RegistryError {
        RegistryError::WrongDigest {
            registry: self.registry.clone(),
            found,
            wanted: Box::new(wanted),
        }
    }

    fn document_error(
        &self,
        what: &'static str,
        reference: &str,
        reason: impl Into<String>,
    ) -> RegistryError {
        RegistryError::Document {
            what,
            place: self.name(reference),
            reason: reason.into(),
        }
    }

    fn name(&self, reference: &str) -> String {
        let mark = if reference.contains(':') { '@' } else { ':' };
        format!("{}{mark}{reference}", self.place())
    }
}

impl Registries {
    /// The same image with all its layers in a layout: those in repositories are downloaded, several at a time.
    ///
    /// # Errors
    /// As for [`Repository::fetch`].
    pub async fn download(&self, image: &Image, layout: &Layout) -> Result<Image, RegistryError> {
        let fetched = stream::iter(image.layers.clone()).map(|layer| async move {
            let Source::Repository(place) = &layer.source else {
                return Ok(layer);
            };
            let path = self.fetch(place, &layer.blob, layout).await?;
            Ok(Layer {
                source: Source::File(path),
                ..layer
            })
        });
        let layers = fetched.buffered(self.shared.settings.parallel.max(1));
        Ok(Image {
            layers: layers.try_collect().await?,
            ..image.clone()
        })
    }

    /// Downloads a blob of a repository, once for all that want it at the same time.
    pub(super) async fn fetch(
        &self,
        place: &str,
        blob: &Descriptor,
        layout: &Layout,
    ) -> Result<PathBuf, RegistryError> {
        let turn = self.turn(&layout.root().to_string_lossy(), &blob.digest);
        let _turn = turn.lock().await;
        self.source(place).fetch(blob, layout).await
    }
}

/// A blob on its way into a layout.
struct Download {
    writer: BlobWriter,
    hasher: Hasher,
    length: u64,
}

impl Download {
    fn new(layout: &Layout) -> Result<Self, RegistryError> {
        Ok(Self {
            writer: layout.blob_writer().map_err(RegistryError::Layout)?,
            hasher: Hasher::new(),
            length: 0,
        })
    }

    fn add(&mut self, piece: &[u8]) -> Result<(), RegistryError> {
        self.writer
            .write_all(piece)
            .map_err(|error| RegistryError::Layout(self.writer.failed(error)))?;
        self.hasher.update(piece);
        self.length += piece.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RegistryError> {
        if self.length > 0 {
            self.writer.clear().map_err(RegistryError::Layout)?;
            self.hasher = Hasher::new();
            self.length = 0;
        }
        Ok(())
    }
}

fn accepted() -> String {
    [
        media_type::MANIFEST,
        media_type::INDEX,
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_INDEX,
    ]
    .join(", ")
}

fn too_large() -> String {
    format!("it is larger than {DOCUMENT_LIMIT} bytes")
}
