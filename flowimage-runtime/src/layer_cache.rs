//! Remembers which layer some content made, so that what did not change is not compressed again.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::file_index::FileIndex;
use crate::layer::{LayerBuilder, LayerError};
use crate::layout::Layout;
use crate::listed::Listed;
use crate::oci::{Descriptor, Digest, Layer, Source, sha256};
use crate::turns::Turns;
use crate::whole;

/// The form of the layers: another one's are not taken.
const FORM: u32 = 3;

/// Layers by their content.
#[derive(Clone, Debug)]
pub struct LayerCache<'a> {
    folder: PathBuf,
    layout: Layout,
    files: &'a FileIndex,
    /// Layers that are being made.
    making: &'a Turns<Digest>,
    time: u64,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    blob: Descriptor,
    diff_id: Digest,
}

/// The blob of a layer that is remembered in these bytes.
pub(crate) fn blob(remembered: &[u8]) -> Option<Digest> {
    let remembered: Remembered = serde_json::from_slice(remembered).ok()?;
    Some(remembered.blob.digest)
}

impl<'a> LayerCache<'a> {
    /// The cache in a folder, of layers that lie in a layout and have this modification time.
    pub fn new(
        folder: PathBuf,
        layout: Layout,
        files: &'a FileIndex,
        making: &'a Turns<Digest>,
        time: u64,
    ) -> Self {
        Self {
            folder,
            layout,
            files,
            making,
            time,
        }
    }

    /// Looks at a layer to be.
    ///
    /// # Errors
    /// A file cannot be read, or changed meanwhile.
    pub fn list(&self, content: LayerBuilder) -> Result<Listed, LayerError> {
        Listed::of(content, self.files)
    }

    /// The layer of a kind with this content. Where it is not known, it is made: of what `make` gives in the content's
    /// place, or of the content itself. What `make` gives must follow from kind and content.
    ///
    /// # Errors
    /// The layer cannot be made; a file changed meanwhile.
    pub fn layer(
        &self,
        kind: &str,
        listed: &Listed,
        make: impl FnOnce(&LayerBuilder) -> Result<Option<LayerBuilder>, LayerError>,
    ) -> Result<Layer, LayerError> {
        let key = self.key(kind, listed);
        self.making.alone(key.clone(), || {
            if let Some(layer) = self.find(&key) {
                return Ok(layer);
            }
            let content = listed.content();
            let made = make(content)?;
            let layer = made.as_ref().unwrap_or(content).write(&self.layout, self.time)?;
            // What was read a second time, for the layer, must be what was read for the key.
            if !listed.is_current(self.files)? {
                return Err(LayerError::ChangedMeanwhile);
            }
            self.remember(&key, &layer);
            Ok(layer)
        })
    }

    /// Hash of all that decides the layer's bytes.
    fn key(&self, kind: &str, listed: &Listed) -> Digest {
        sha256(format!("{FORM} {kind} {}\n{}", self.time, listed.identity()).as_bytes())
    }

    fn find(&self, key: &Digest) -> Option<Layer> {
        let bytes = fs::read(self.folder.join(key.hex())).ok()?;
        let Remembered { blob, diff_id } = serde_json::from_slice(&bytes).ok()?;
        let source = Source::File(self.layout.blob_path(&blob.digest));
        self.layout.has(&blob).then_some(Layer {
            blob,
            diff_id,
            source,
        })
    }

    /// A cache that cannot be written costs time, nothing else.
    fn remember(&self, key: &Digest, layer: &Layer) {
        let remembered = Remembered {
            blob: layer.blob.clone(),
            diff_id: layer.diff_id.clone(),
        };
        let _ = serde_json::to_vec(&remembered)
            .map_err(io::Error::from)
            .and_then(|bytes| whole::write(&self.folder.join(key.hex()), &bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn unchanged_content_is_not_made_again_and_changed_is() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let files = FileIndex::new(folder.path().join("index"));
        let making = Turns::default();
        let cache = LayerCache::new(folder.path().join("cache"), layout, &files, &making, 0);
        let made = Cell::new(0);
        let layer = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            let mut builder = LayerBuilder::new();
            builder.host("/x", &file).unwrap();
            let count = |_: &LayerBuilder| {
                made.set(made.get() + 1);
                Ok(None)
            };
            let listed = Listed::of(builder, &files).unwrap();
            cache.layer("test", &listed, count).unwrap()
        };
        let first = layer("a", "1");
        assert_eq!((layer("a", "1"), layer("b", "1")), (first.clone(), first.clone()));
        assert_eq!(made.get(), 1);
        assert!(layer("a", "2") != first && made.get() == 2);
    }

    #[test]
    fn a_layer_that_several_threads_want_is_made_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let files = FileIndex::new(folder.path().join("index"));
        let making = Turns::default();
        let made = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                // Each flow has a cache of its own; what is being made they know together.
                let cache = LayerCache::new(folder.path().join("cache"), layout.clone(), &files, &making, 0);
                scope.spawn(|| {
                    let cache = cache;
                    let mut content = LayerBuilder::new();
                    content.bytes("/x", "1", 0o644);
                    let count = |_: &LayerBuilder| {
                        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        Ok(None)
                    };
                    cache.layer("test", &cache.list(content).unwrap(), count).unwrap();
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_file_that_changes_while_its_layer_is_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let files = FileIndex::new(folder.path().join("index"));
        let making = Turns::default();
        let cache = LayerCache::new(folder.path().join("cache"), layout, &files, &making, 0);
        let file = folder.path().join("file");
        fs::write(&file, "1").unwrap();
        let mut builder = LayerBuilder::new();
        builder.host("/x", &file).unwrap();
        let change = |_: &LayerBuilder| {
            fs::write(&file, "2").unwrap();
            Ok(None)
        };
        let listed = Listed::of(builder, &files).unwrap();
        let error = cache.layer("test", &listed, change).unwrap_err();
        assert!(matches!(error, LayerError::ChangedMeanwhile), "{error}");
        assert!(!folder.path().join("cache").exists());
    }
}
