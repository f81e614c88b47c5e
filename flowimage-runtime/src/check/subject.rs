//! What is checked: an image at hand, and what this machine knows that it should hold.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "engine")]
use crate::engine::{EngineImage, SavedLimits};
use crate::failure::{Failure, Stage};
use crate::flow::FlowUnit;
#[cfg(feature = "engine")]
use crate::loaded::Loaded;
use crate::oci::Image;
use crate::project::Project;
use crate::session::Session;

#[cfg(feature = "engine")]
use super::layer::LayerEntries;
use super::layer::SeenLayers;
use super::root::ImageRoot;
use super::seen::{Config, Expected, Seen};

/// An image to check, and the flow it is checked for.
pub struct Subject<'a> {
    /// The flow.
    pub unit: &'a FlowUnit,
    /// The image.
    pub image: Held<'a>,
    /// The same in the engine, where it was put there before.
    #[cfg(feature = "engine")]
    pub(crate) loaded: Option<&'a Loaded<'a>>,
    /// The crate's folder, where the declared files come from; `None` where they are not here.
    pub folder: Option<&'a Path>,
    /// The program that should be in the image; `None` where it is not here.
    pub binary: Option<&'a Path>,
    /// Whether the image was made here and now: another build of the program in it is then an error, and not only
    /// worth a look.
    pub made_here: bool,
}

/// Where an image is.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    /// Its layers are files of this machine.
    Layers(&'a Image),
    /// An engine has it.
    #[cfg(feature = "engine")]
    Engine(&'a EngineImage),
}

impl<'a> Subject<'a> {
    /// Reads the image, the layers that no command of this project has read before.
    pub(super) async fn see(&self, session: &Session, project: &Project) -> Result<Seen<'a>, Failure> {
        let known = SeenLayers::in_folder(project.layers_seen());
        let (layers, config) = match self.image {
            Held::Layers(image) => {
                let document: serde_json::Value = serde_json::from_slice(&image.config).unwrap_or_default();
                let architecture = document.get("architecture").and_then(serde_json::Value::as_str);
                let config = document.get("config").cloned().unwrap_or_default();
                let config = Config::read(&config, architecture.unwrap_or("unknown"));
                let mut layers = Vec::new();
                for layer in &image.layers {
                    let (known, own) = (known.clone(), layer.clone());
                    let read = || blocking(move || known.of(&own).map(Arc::new));
                    layers.push(session.layers_seen.once(layer.diff_id.as_str(), read).await?);
                }
                (layers, config)
            }
            #[cfg(feature = "engine")]
            Held::Engine(image) => {
                let layers = exported(image, known, session, project).await?;
                (layers, Config::read(&image.config, &image.platform.architecture))
            }
        };
        let expected = self.expected(session).await?;
        Ok(Seen::new(self.unit, expected, ImageRoot::new(layers), config))
    }

    async fn expected(&self, session: &Session) -> Result<Expected, Failure> {
        let code = match self.binary.map(Path::to_owned) {
            None => None,
            Some(binary) => {
                let key = binary.display().to_string();
                let read = || {
                    blocking(move || {
                        let cache = object::read::ReadCache::new(std::fs::File::open(binary)?);
                        Ok(crate::elf::code_digest(&cache))
                    })
                };
                session.codes.once(&key, read).await?
            }
        };
        let files = self.folder.map(|folder| {
            crate::assemble::files(&self.unit.declaration, folder).map_err(|error| error.to_string())
        });
        Ok(Expected {
            code,
            made_here: self.made_here,
            files,
        })
    }
}

/// Work on files, away from the threads that wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other).flatten().map_err(|error| {
        Failure::text(
            Stage::Check,
            format!("cannot read the image: {error}"),
            "build it again; if that does not help, check the disk's space",
        )
    })
}

/// The layers of an engine's image: remembered, or taken out of the engine in one go.
#[cfg(feature = "engine")]
async fn exported(
    image: &EngineImage,
    known: SeenLayers,
    session: &Session,
    project: &Project,
) -> Result<Vec<Arc<LayerEntries>>, Failure> {
    use crate::failure::at;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    let found: BTreeMap<_, _> = image
        .diff_ids
        .iter()
        .filter_map(|diff_id| Some((diff_id.clone(), known.find(diff_id)?)))
        .collect();
    let mut wanted: Vec<_> = image.diff_ids.clone();
    wanted.retain(|diff_id| !found.contains_key(diff_id));
    wanted.sort();
    wanted.dedup();
    let found = Arc::new(Mutex::new(found));
    if !wanted.is_empty() {
        let engine = session.engine(project).await?;
        let taken = Arc::clone(&found);
        let take = move |diff_id: &crate::oci::Digest, tar: &mut dyn std::io::Read| {
            let entries = known.read(diff_id, tar)?;
            if let Ok(mut taken) = taken.lock() {
                taken.insert(diff_id.clone(), entries);
            }
            Ok(())
        };
        let spool = std::env::temp_dir();
        engine
            .export_layers(image, &wanted, &SavedLimits::default(), &spool, take)
            .await
            .map_err(at(Stage::Check))?;
    }
    let found = found.lock().map(|mut found| std::mem::take(&mut *found));
    let found: BTreeMap<_, _> = found
        .unwrap_or_default()
        .into_iter()
        .map(|(diff_id, entries)| (diff_id, Arc::new(entries)))
        .collect();
    image
        .diff_ids
        .iter()
        .map(|diff_id| {
            found.get(diff_id).cloned().ok_or_else(|| {
                Failure::text(
                    Stage::Check,
                    format!("the engine gave no layer {diff_id}"),
                    "run the command again",
                )
            })
        })
        .collect()
}
