//! Remembers which layer some inputs made, so that what did not change is neither read nor compressed again.
//!
//! Inputs are known by what the file system says of them, as git's index does: device, inode, size and times. A
//! file that changed in the last moments may change again within the clock's grain: such layers are not
//! remembered.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::layer::{Content, LayerBuilder, LayerError};
use crate::layout::Layout;
use crate::oci::{Descriptor, Digest, Hasher, Layer, Source};

/// The clock's grain of any file system, with room.
const GRAIN: Duration = Duration::from_millis(50);

/// Layers by their inputs.
#[derive(Clone, Debug)]
pub struct LayerCache {
    folder: PathBuf,
    layout: Layout,
    time: u64,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    blob: Descriptor,
    diff_id: Digest,
}

/// What the file system says of a layer's inputs.
#[derive(Clone, Debug)]
pub struct Inputs {
    hasher_text: String,
    settled: bool,
}

impl Inputs {
    /// Inputs of a kind; kinds never share layers.
    pub fn new(kind: &str) -> Self {
        Self {
            hasher_text: format!("{kind}\n"),
            settled: true,
        }
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.hasher_text.push_str(&format!("{}:{text}\n", text.len()));
    }

    /// Adds a file of this machine.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn file(&mut self, path: &Path) -> Result<(), LayerError> {
        let metadata = fs::metadata(path).map_err(|source| LayerError::Read {
            path: path.to_owned(),
            source,
        })?;
        let line = format!(
            "{} {} {} {}.{} {}.{}\n",
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec()
        );
        self.hasher_text.push_str(&line);
        let changed = Duration::new(
            metadata.ctime().unsigned_abs(),
            metadata.ctime_nsec().unsigned_abs() as u32,
        );
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.settled &= changed + GRAIN < now;
        Ok(())
    }

    /// Adds the entries of a layer.
    ///
    /// # Errors
    /// A file cannot be looked at.
    pub fn entries(&mut self, layer: &LayerBuilder) -> Result<(), LayerError> {
        for (path, entry) in layer.entries() {
            self.text(path);
            self.text(&format!("{:o} {}", entry.mode, entry.owner));
            match &entry.content {
                Content::Folder => self.text("folder"),
                Content::Bytes(bytes) => self.text(crate::oci::sha256(bytes).as_str()),
                Content::Link(target) => self.text(target),
                Content::Host(file) => self.file(file)?,
            }
        }
        Ok(())
    }
}

impl LayerCache {
    /// The cache in a folder, of layers that lie in a layout and have this modification time.
    pub fn new(folder: PathBuf, layout: Layout, time: u64) -> Self {
        Self { folder, layout, time }
    }

    /// The layer that these inputs made, if it is known and its blob is there.
    pub fn find(&self, inputs: &Inputs) -> Option<Layer> {
        let bytes = fs::read(self.path(inputs)).ok()?;
        let Remembered { blob, diff_id } = serde_json::from_slice(&bytes).ok()?;
        let source = Source::File(self.layout.blob_path(&blob.digest));
        self.layout.has(&blob).then_some(Layer {
            blob,
            diff_id,
            source,
        })
    }

    /// The layer of these inputs, made where it is not known. Says whether it was made.
    ///
    /// # Errors
    /// The layer cannot be made.
    pub fn layer(
        &self,
        inputs: &Inputs,
        make: impl FnOnce() -> Result<LayerBuilder, LayerError>,
    ) -> Result<(Layer, bool), LayerError> {
        if let Some(layer) = self.find(inputs) {
            return Ok((layer, false));
        }
        let layer = make()?.write(&self.layout, self.time)?;
        if inputs.settled {
            let remembered = Remembered {
                blob: layer.blob.clone(),
                diff_id: layer.diff_id.clone(),
            };
            // A cache that cannot be written costs time, nothing else.
            if let Ok(bytes) = serde_json::to_vec(&remembered) {
                let _ = fs::create_dir_all(&self.folder).and_then(|()| {
                    let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
                    std::io::Write::write_all(&mut file, &bytes)?;
                    file.persist(self.path(inputs)).map_err(|error| error.error)?;
                    Ok(())
                });
            }
        }
        Ok((layer, true))
    }

    fn path(&self, inputs: &Inputs) -> PathBuf {
        let mut hasher = Hasher::new();
        hasher.update(format!("1 {}\n", self.time).as_bytes());
        hasher.update(inputs.hasher_text.as_bytes());
        self.folder.join(hasher.finish().0.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_inputs_are_not_made_again_and_changed_ones_are() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let cache = LayerCache::new(folder.path().join("cache"), layout, 0);
        let file = folder.path().join("file");
        let layer = |text: Option<&str>| {
            if let Some(text) = text {
                fs::write(&file, text).unwrap();
                std::thread::sleep(GRAIN * 2);
            }
            let mut builder = LayerBuilder::new();
            builder.host("/x", &file).unwrap();
            let mut inputs = Inputs::new("test");
            inputs.entries(&builder).unwrap();
            cache.layer(&inputs, || Ok(builder)).unwrap()
        };
        let (first, made) = layer(Some("a"));
        assert!(made);
        assert_eq!(layer(None), (first.clone(), false));
        let (second, made) = layer(Some("b"));
        assert!(made && second != first);
    }
}
