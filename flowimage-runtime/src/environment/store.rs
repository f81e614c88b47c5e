//! Environments on this machine: what is remembered of them, and their layers in the layout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context_error;
use crate::assemble::Foundation;
use crate::clean::prune;
use crate::engine::{Engine, EngineImage, SavedLimits};
use crate::failure::{Failure, Stage, at};
use crate::gzip::GzipWriter;
use crate::layout::Layout;
use crate::oci::{Descriptor, Digest, HashingWriter, Layer, Platform, Source, media_type};
use crate::whole;

/// What is remembered of an environment.
#[derive(Serialize, Deserialize)]
struct Remembered {
    config: Value,
    account: BTreeMap<String, String>,
    entrypoint: Vec<String>,
    complete: bool,
    built: bool,
    layers: Vec<(Descriptor, Digest)>,
    /// The engine's image, whose steps its classic builder uses again; nobody else's to remove.
    #[serde(default)]
    engine_image: Option<Digest>,
}

/// The images of a project's environments in an engine.
pub fn kept(folder: &Path) -> BTreeSet<Digest> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| serde_json::from_slice::<Remembered>(&fs::read(entry.path()).ok()?).ok())
        .filter_map(|remembered| remembered.engine_image)
        .collect()
}

/// Forgets the environments that an image not wanted any more stood on: those with a layer whose blob is not `needed`.
/// And what bases are made of that are not `pinned` any more. Says what went, with its bytes.
pub(crate) fn forget(
    folder: &Path,
    needed: &BTreeSet<Digest>,
    pinned: &BTreeSet<Digest>,
) -> Vec<(PathBuf, u64)> {
    let stands = |bytes: &[u8]| {
        let remembered: Option<Remembered> = serde_json::from_slice(bytes).ok();
        remembered.is_some_and(|it| it.layers.iter().all(|(blob, _)| needed.contains(&blob.digest)))
    };
    let layer = |bytes: &[u8]| {
        let blob: Option<Descriptor> = serde_json::from_slice(bytes).ok();
        blob.is_some_and(|blob| needed.contains(&blob.digest))
    };
    let mut gone = prune(folder, |_, bytes| stands(&bytes()));
    gone.extend(prune(&folder.join("layers"), |_, bytes| layer(&bytes())));
    gone.extend(prune(&folder.join("bases"), |name, _| {
        pinned.iter().any(|pin| name.starts_with(pin.hex()))
    }));
    gone
}

/// The folder of what is remembered, and the layout that holds the layers.
pub(super) struct Store<'a> {
    pub(super) folder: PathBuf,
    pub(super) layout: &'a Layout,
}

impl Store<'_> {
    /// An environment with this identity, if it and all its layers are here.
    pub(super) fn remembered(&self, identity: &Digest) -> Option<Foundation> {
        let bytes = fs::read(self.folder.join(identity.hex())).ok()?;
        let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
        let mut layers = Vec::new();
        for (blob, diff_id) in remembered.layers {
            if !self.layout.has(&blob) {
                return None;
            }
            let source = Source::File(self.layout.blob_path(&blob.digest));
            layers.push(Layer {
                blob,
                diff_id,
                source,
            });
        }
        Some(Foundation {
            config: remembered.config,
            layers,
            complete: remembered.complete,
            account: remembered.account,
            entrypoint: remembered.entrypoint,
            identity: remembered.built.then(|| identity.clone()),
        })
    }

    /// What a base is made of that is pinned to this digest.
    pub(super) fn base(&self, pin: &Digest, platform: &Platform) -> Option<Digest> {
        let text = fs::read_to_string(self.base_path(pin, platform)).ok()?;
        text.trim_end().parse().ok()
    }

    /// Remembers what a pinned base is made of. Where that cannot be written, it is found out again.
    pub(super) fn remember_base(&self, pin: &Digest, platform: &Platform, content: &Digest) {
        if self.base(pin, platform).as_ref() != Some(content) {
            let _ = whole::write(&self.base_path(pin, platform), format!("{content}\n").as_bytes());
        }
    }

    fn base_path(&self, pin: &Digest, platform: &Platform) -> PathBuf {
        // An index's digest stands for an image of each platform.
        let platform = platform.to_string().replace('/', "-");
        self.folder
            .join("bases")
            .join(format!("{}-{platform}", pin.hex()))
    }

    /// Remembers an environment.
    pub(super) fn remember(
        &self,
        identity: &Digest,
        foundation: &Foundation,
        engine_image: Option<&Digest>,
    ) -> Result<(), Failure> {
        let remembered = Remembered {
            config: foundation.config.clone(),
            account: foundation.account.clone(),
            entrypoint: foundation.entrypoint.clone(),
            complete: foundation.complete,
            built: foundation.identity.is_some(),
            layers: foundation
                .layers
                .iter()
                .map(|layer| (layer.blob.clone(), layer.diff_id.clone()))
                .collect(),
            engine_image: engine_image.cloned(),
        };
        let path = self.folder.join(identity.hex());
        let bytes = serde_json::to_vec(&remembered).unwrap_or_default();
        let written = whole::write(&path, &bytes);
        written.map_err(|error| context_error(&path, &error))
    }

    /// Takes an image's layers out of the engine into the layout, those that are not there yet; says how many.
    pub(super) async fn take_out(
        &self,
        engine: &Engine,
        image: &EngineImage,
    ) -> Result<(Vec<Layer>, usize), Failure> {
        let index = self.folder.join("layers");
        fs::create_dir_all(&index).map_err(|error| context_error(&index, &error))?;
        let blob_of = |diff_id: &Digest| -> Option<Descriptor> {
            let bytes = fs::read(index.join(diff_id.hex())).ok()?;
            serde_json::from_slice(&bytes)
                .ok()
                .filter(|blob| self.layout.has(blob))
        };
        let wanted: BTreeSet<Digest> = image
            .diff_ids
            .iter()
            .filter(|diff_id| blob_of(diff_id).is_none())
            .cloned()
            .collect();
        let wanted: Vec<Digest> = wanted.into_iter().collect();
        if !wanted.is_empty() {
            let (layout, index) = (self.layout.clone(), index.clone());
            let take = move |diff_id: &Digest, tar: &mut dyn Read| -> io::Result<()> {
                let blob = layout.blob_writer().map_err(io::Error::other)?;
                let mut gzip = GzipWriter::new(HashingWriter::new(blob));
                io::copy(tar, &mut gzip)?;
                let (blob, digest, size) = gzip.finish()?.finish();
                blob.keep(&digest).map_err(io::Error::other)?;
                let descriptor = Descriptor::new(media_type::LAYER_GZIP, digest, size);
                fs::write(index.join(diff_id.hex()), serde_json::to_vec(&descriptor)?)
            };
            let spool = self.layout.root().join("tmp");
            engine
                .export_layers(image, &wanted, &SavedLimits::default(), &spool, take)
                .await
                .map_err(at(Stage::Build))?;
        }
        let mut layers = Vec::new();
        for diff_id in &image.diff_ids {
            let blob = blob_of(diff_id).ok_or_else(|| {
                Failure::text(
                    Stage::Build,
                    format!("the engine gave no layer {diff_id}"),
                    "run the command again",
                )
            })?;
            let source = Source::File(self.layout.blob_path(&blob.digest));
            layers.push(Layer {
                blob,
                diff_id: diff_id.clone(),
                source,
            });
        }
        Ok((layers, wanted.len()))
    }
}
