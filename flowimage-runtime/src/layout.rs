//! An OCI image layout: a folder of blobs, and an index that names images.
//!
//! Source: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::advice::Advise;
use crate::oci::{
    Descriptor, Digest, HashingReader, Image, Index, Layer, Manifest, Platform, Source, media_type, sha256,
};

/// The annotation that names an image within a layout.
pub const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// The largest manifest, index or configuration that is read.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// Why a layout could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A file of the layout.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// `read`, `write`, …
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A document that is not what it should be.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Advise for LayoutError {
    fn advice(&self) -> Option<String> {
        match self {
            LayoutError::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space on that disk".into())
            }
            LayoutError::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("check who owns the folder, or choose another with `--output DIR`".into())
            }
            LayoutError::File { .. } => None,
            LayoutError::Damaged { .. } => {
                Some("delete the layout's folder and run the command again: it is made anew".into())
            }
        }
    }
}

/// A layout on disk.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Opens the layout in a folder, and makes it where it is missing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        let layout = Self { root: root.into() };
        for folder in [layout.root.join("blobs/sha256"), layout.temporary()] {
            fs::create_dir_all(&folder).map_err(|error| failed("make", &folder, error))?;
        }
        let marker = layout.root.join("oci-layout");
        if !marker.exists() {
            layout.replace(&marker, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        let index = layout.index_path();
        if !index.exists() {
            let _lock = layout.lock()?;
            if !index.exists() {
                layout.write_index(&empty_index())?;
            }
        }
        Ok(layout)
    }

    /// The layout's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob lies, or would lie.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob is there with the right size. Its bytes are not read.
    pub fn has(&self, blob: &Descriptor) -> bool {
        fs::metadata(self.blob_path(&blob.digest)).is_ok_and(|it| it.is_file() && it.len() == blob.size)
    }

    /// Stores bytes as a blob.
    ///
    /// # Errors
    /// The layout cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, LayoutError> {
        let digest = sha256(bytes);
        let path = self.blob_path(&digest);
        if !fs::metadata(&path).is_ok_and(|it| it.len() == bytes.len() as u64) {
            self.replace(&path, bytes)?;
        }
        Ok(digest)
    }

    /// A file for a blob whose digest is not known yet.
    ///
    /// # Errors
    /// The layout cannot be written.
    pub fn blob_writer(&self) -> Result<BlobWriter, LayoutError> {
        let folder = self.temporary();
        let file = tempfile::Builder::new()
            .prefix("blob-")
            .tempfile_in(&folder)
            .map_err(|error| failed("write", &folder, error))?;
        Ok(BlobWriter {
            file,
            layout: self.clone(),
        })
    }

    /// Stores an image's documents and names it in the index. Its layers must be files: those elsewhere are
    /// copied in, hashed on the way.
    ///
    /// # Errors
    /// The layout cannot be written; a layer's file is not what its digest says.
    pub fn write_image(
        &self,
        image: &Image,
        name: &str,
        platform: &Platform,
    ) -> Result<Descriptor, LayoutError> {
        for layer in &image.layers {
            self.adopt(layer)?;
        }
        self.put(&image.config)?;
        self.put(&image.manifest)?;
        let mut descriptor = image.descriptor();
        descriptor.platform = Some(platform.clone());
        descriptor
            .annotations
            .insert(REFERENCE.to_owned(), name.to_owned());
        let _lock = self.lock()?;
        let mut index = self.read_index()?;
        index
            .manifests
            .retain(|known| known.annotations.get(REFERENCE).is_none_or(|it| it != name));
        index.manifests.push(descriptor.clone());
        index
            .manifests
            .sort_by(|a, b| a.annotations.get(REFERENCE).cmp(&b.annotations.get(REFERENCE)));
        self.write_index(&index)?;
        Ok(descriptor)
    }

    fn adopt(&self, layer: &Layer) -> Result<(), LayoutError> {
        let own = self.blob_path(&layer.blob.digest);
        if self.has(&layer.blob) {
            return Ok(());
        }
        let Source::File(path) = &layer.source else {
            return Err(LayoutError::Damaged {
                path: own,
                reason: "the layer is only in a registry".into(),
            });
        };
        let file = File::open(path).map_err(|error| failed("read", path, error))?;
        let mut reader = HashingReader::new(file);
        let mut writer = self.blob_writer()?;
        io::copy(&mut reader, &mut writer).map_err(|error| failed("copy", path, error))?;
        let (_, digest, _) = reader.finish();
        if digest != layer.blob.digest {
            return Err(LayoutError::Damaged {
                path: path.clone(),
                reason: format!("its digest is {digest}"),
            });
        }
        writer.keep(&digest)?;
        Ok(())
    }

    /// The names in the index, sorted.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn names(&self) -> Result<Vec<String>, LayoutError> {
        let index = self.read_index()?.manifests.into_iter();
        let mut names: Vec<_> = index
            .filter_map(|it| it.annotations.get(REFERENCE).cloned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What the index names so.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, LayoutError> {
        let index = self.read_index()?;
        Ok(index
            .manifests
            .into_iter()
            .find(|it| it.annotations.get(REFERENCE).is_some_and(|known| known == name)))
    }

    /// Reads an image; every document is checked against its digest, every layer for its size.
    ///
    /// # Errors
    /// A document or layer is missing or damaged.
    pub fn read_image(&self, manifest: &Digest) -> Result<Image, LayoutError> {
        let image = self.read_documents(manifest, "")?;
        match image.layers.iter().find(|it| !self.has(&it.blob)) {
            None => Ok(image),
            Some(missing) => Err(LayoutError::Damaged {
                path: self.blob_path(&missing.blob.digest),
                reason: "the layer is missing or has another size".into(),
            }),
        }
    }

    /// Reads an image whose documents are here; layers that are not are in a repository, `registry[:port]/path`.
    ///
    /// # Errors
    /// A document is missing or damaged.
    pub fn read_documents(&self, manifest: &Digest, elsewhere: &str) -> Result<Image, LayoutError> {
        let bytes = self.document(manifest)?;
        let path = self.blob_path(manifest);
        let parsed: Manifest = serde_json::from_slice(&bytes).map_err(|error| LayoutError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let config = self.document(&parsed.config.digest)?;
        let diff_ids = diff_ids(&config)
            .filter(|ids| ids.len() == parsed.layers.len())
            .ok_or_else(|| LayoutError::Damaged {
                path,
                reason: "layers and diff_ids do not match".into(),
            })?;
        let layer = |(blob, diff_id): (&Descriptor, Digest)| Layer {
            source: match self.has(blob) {
                true => Source::File(self.blob_path(&blob.digest)),
                false => Source::Repository(elsewhere.to_owned()),
            },
            blob: blob.clone(),
            diff_id,
        };
        Ok(Image {
            manifest: bytes,
            media_type: parsed
                .media_type
                .unwrap_or_else(|| media_type::MANIFEST.to_owned()),
            layers: parsed.layers.iter().zip(diff_ids).map(layer).collect(),
            config,
            config_media_type: parsed.config.media_type,
        })
    }

    /// The manifest of an image for a platform, where the descriptor is an index.
    ///
    /// # Errors
    /// The index is missing or damaged.
    pub fn for_platform(
        &self,
        descriptor: Descriptor,
        platform: &Platform,
    ) -> Result<Option<Descriptor>, LayoutError> {
        if !matches!(
            descriptor.media_type.as_str(),
            media_type::INDEX | media_type::DOCKER_INDEX
        ) {
            return Ok(Some(descriptor));
        }
        let path = self.blob_path(&descriptor.digest);
        let bytes = self.document(&descriptor.digest)?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|error| LayoutError::Damaged {
            path,
            reason: error.to_string(),
        })?;
        Ok(index.for_platform(platform).cloned())
    }

    fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let path = self.blob_path(digest);
        let file = File::open(&path).map_err(|error| failed("read", &path, error))?;
        let mut bytes = Vec::new();
        file.take(DOCUMENT_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed("read", &path, error))?;
        if bytes.len() as u64 > DOCUMENT_LIMIT || sha256(&bytes) != *digest {
            return Err(LayoutError::Damaged {
                path,
                reason: "its digest is not its name".into(),
            });
        }
        Ok(bytes)
    }

    /// Removes from the index what is none of these images, blobs that are none of these, and what killed processes
    /// left half written. Says what went: each name or path with its bytes.
    ///
    /// Only for who knows that nobody writes to the layout: what is being made is named nowhere yet.
    ///
    /// # Errors
    /// The layout cannot be read or written.
    pub fn keep_only(
        &self,
        images: &BTreeSet<Digest>,
        blobs: &BTreeSet<Digest>,
    ) -> Result<Vec<(PathBuf, u64)>, LayoutError> {
        let _lock = self.lock()?;
        let mut index = self.read_index()?;
        let before = index.manifests.len();
        index.manifests.retain(|image| images.contains(&image.digest));
        if index.manifests.len() < before {
            self.write_index(&index)?;
        }
        let wanted: BTreeSet<&str> = blobs.iter().map(Digest::hex).collect();
        let mut removed = Vec::new();
        for (folder, by_hash) in [(self.root.join("blobs/sha256"), true), (self.temporary(), false)] {
            let entries = fs::read_dir(&folder).map_err(|error| failed("read", &folder, error))?;
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let is_ours = !by_hash || is_hash(&name);
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_file() && is_ours && !wanted.contains(&*name) {
                    let path = entry.path();
                    fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
                    removed.push((path, metadata.len()));
                }
            }
        }
        Ok(removed)
    }

    fn read_index(&self) -> Result<Index, LayoutError> {
        let path = self.index_path();
        let bytes = fs::read(&path).map_err(|error| failed("read", &path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| LayoutError::Damaged {
            path,
            reason: error.to_string(),
        })
    }

    fn write_index(&self, index: &Index) -> Result<(), LayoutError> {
        let path = self.index_path();
        let bytes = serde_json::to_vec_pretty(index).map_err(|error| LayoutError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        self.replace(&path, &bytes)
    }

    /// Writes a file whole or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix("file-")
                .tempfile_in(self.temporary())?;
            file.write_all(bytes)?;
            file.as_file().sync_data()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| failed("write", path, error))
    }

    /// Only one process changes the index at a time.
    fn lock(&self) -> Result<File, LayoutError> {
        let path = self.root.join("index.lock");
        let lock = || {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| failed("lock", &path, error))
    }

    fn index_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// Whether a file's name is a SHA-256 in hexadecimal digits, as all our products' names are that go by content.
pub(crate) fn is_hash(name: &str) -> bool {
    name.len() == 64
        && name
            .bytes()
            .all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

/// The diff IDs of an image configuration, lowest first.
pub fn diff_ids(config: &[u8]) -> Option<Vec<Digest>> {
    let config: serde_json::Value = serde_json::from_slice(config).ok()?;
    config
        .pointer("/rootfs/diff_ids")?
        .as_array()?
        .iter()
        .map(|id| id.as_str().and_then(|id| id.parse().ok()))
        .collect()
}

/// A blob being written; dropped before [`BlobWriter::keep`] it leaves nothing.
pub struct BlobWriter {
    file: tempfile::NamedTempFile,
    layout: Layout,
}

impl BlobWriter {
    /// Gives the blob its name. The caller has hashed what was written.
    ///
    /// # Errors
    /// The layout cannot be written.
    pub fn keep(self, digest: &Digest) -> Result<PathBuf, LayoutError> {
        let path = self.layout.blob_path(digest);
        self.file
            .persist(&path)
            .map_err(|error| failed("write", &path, error.error))?;
        Ok(path)
    }

    /// Throws away what was written so far.
    ///
    /// # Errors
    /// The layout cannot be written.
    pub fn clear(&mut self) -> Result<(), LayoutError> {
        let emptied = self.file.as_file().set_len(0);
        emptied
            .and_then(|()| self.file.as_file_mut().rewind())
            .map_err(|error| self.failed(error))
    }

    /// The error of a write that failed.
    pub fn failed(&self, source: io::Error) -> LayoutError {
        failed("write", self.file.path(), source)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media_type::INDEX.to_owned()),
        manifests: Vec::new(),
        annotations: std::collections::BTreeMap::new(),
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> LayoutError {
    LayoutError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerBuilder;

    fn image(layout: &Layout, text: &str) -> Image {
        let mut builder = LayerBuilder::new();
        builder.bytes("/x", text, 0o644);
        let layer = builder.write(layout, 0).unwrap();
        let config = format!(
            r#"{{"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            layer.diff_id
        );
        Image::new(config.into_bytes(), vec![layer])
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let written = image(&layout, "a");
        layout
            .write_image(&written, "flow", &Platform::of_this_program())
            .unwrap();
        let found = layout.resolve("flow").unwrap().unwrap();
        assert_eq!(layout.read_image(&found.digest).unwrap(), written);
        assert_eq!(layout.resolve("other").unwrap(), None);
    }

    #[test]
    fn damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let written = image(&layout, "a");
        layout
            .write_image(&written, "flow", &Platform::of_this_program())
            .unwrap();
        fs::write(layout.blob_path(&written.id()), "{}").unwrap();
        assert!(matches!(
            layout.read_image(&written.digest()),
            Err(LayoutError::Damaged { .. })
        ));
    }

    #[test]
    fn what_is_to_be_kept_is_kept_and_what_is_not_ours_too() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let [old, new] = ["a", "b"].map(|text| image(&layout, text));
        for (image, name) in [(&old, "old"), (&new, "new")] {
            layout
                .write_image(image, name, &Platform::of_this_program())
                .unwrap();
        }
        let blobs = folder.path().join("blobs/sha256");
        fs::write(blobs.join("notes.txt"), "mine").unwrap();
        fs::write(folder.path().join("tmp/blob-half"), "half").unwrap();
        let layer = new.layers[0].blob.digest.clone();
        let removed = layout
            .keep_only(
                &BTreeSet::from([new.digest()]),
                &BTreeSet::from([new.digest(), new.id(), layer]),
            )
            .unwrap();
        let size = removed
            .iter()
            .find(|(path, _)| *path == layout.blob_path(&old.id()));
        assert_eq!(
            (removed.len(), size.unwrap().1),
            (4, old.config.len() as u64),
            "{removed:?}"
        );
        assert_eq!(layout.names().unwrap(), ["new"]);
        assert_eq!(layout.read_image(&new.digest()).unwrap(), new);
        assert_eq!(fs::read_dir(blobs).unwrap().count(), 4);
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let folder = folder.path();
                scope.spawn(move || {
                    let layout = Layout::open(folder).unwrap();
                    let name = format!("flow-{number}");
                    layout
                        .write_image(&image(&layout, &name), &name, &Platform::of_this_program())
                        .unwrap();
                });
            }
        });
        assert_eq!(
            Layout::open(folder.path())
                .unwrap()
                .read_index()
                .unwrap()
                .manifests
                .len(),
            8
        );
    }
}
