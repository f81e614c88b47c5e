//! Environments: what an engine must build, built once and kept in the layout by its content.
//!
//! What comes out is a [`Foundation`] like any other: layers on this machine, on which the flow's own layer is laid
//! without the engine.

mod base;
mod contents;
mod context;
mod entrypoint;
mod failed;
#[cfg(feature = "registry")]
pub(crate) mod published;
mod python;
mod recipe;
mod secrets;
mod sources;
mod store;

pub(crate) use base::pull;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Instant;

use flowimage_model::Declaration;
use flowimage_model::render::{DEFAULT_USER, USER_ARGUMENT};
use serde_json::{Value, json};

use crate::assemble::Foundation;
use crate::engine::{BuildEvent, BuildRequest, CHECKED_NAMES, Dockerfile, Engine, EngineImage};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layer::LayerError;
use crate::layout::Layout;
use crate::oci::Digest;
use crate::oci::Platform;
use crate::progress::{Event, milliseconds};
use crate::project::Project;
use crate::session::Session;
use crate::target::Target;
use base::{Place, account_of, content, key, user};
pub(crate) use base::{Wanted, base};
use recipe::{Recipe, Step};
use secrets::Secrets;
use store::Store;

pub use base::{base_digest, look, references, seen};
pub(crate) use context::{ignore_file, of_dockerfile};
pub(crate) use store::forget;
pub use store::kept;

/// Where environments come from and are kept.
pub struct Environments<'a> {
    /// What the flows of this command share.
    pub session: &'a Session,
    /// The flows' project.
    pub project: &'a Project,
    /// Holds the layers.
    pub layout: &'a Layout,
    /// Modification time of staged files.
    pub time: u64,
    /// Digests that bases are pinned to, by reference.
    pub pins: &'a BTreeMap<String, Digest>,
    /// The flow binary's platform.
    pub platform: &'a Platform,
    /// Where the flow's image goes, and where environments may be found.
    pub target: &'a Target,
    /// Where other flows' images are at the same registry: an environment may have come there with one of them.
    pub neighbours: Vec<Target>,
    /// Whether anybody reads the layers of the flow's image: health checks do.
    pub are_read: bool,
}

impl Environments<'_> {
    /// The environment of a flow: remembered, found in a registry, or built by the engine and taken out of it. Where it
    /// can be known without an engine what the bases are, no engine is asked before one has to build.
    ///
    /// Equal environments are built once, also by flows that are worked on at the same time.
    ///
    /// # Errors
    /// The base cannot be had; a step of the build failed; the layout cannot be written.
    pub async fn of(&self, unit: &FlowUnit) -> Result<Foundation, Failure> {
        if let Some(bases) = self.contents(unit).await {
            let recipe = self.recipe(unit, &bases)?;
            if let Some(known) = self.known(unit, &recipe).await? {
                return Ok(known);
            }
        }
        let engine = self.session.engine(self.project).await?;
        let bases = self.bases(unit, engine).await?;
        let contents: Vec<Digest> = bases.iter().map(content).collect();
        let recipe = self.recipe(unit, &contents)?;
        let found_or_made = || async {
            match self.known(unit, &recipe).await? {
                Some(known) => Ok(known),
                None => self.make(unit, &recipe, engine, &bases).await,
            }
        };
        self.session
            .environments
            .once(recipe.identity.hex(), found_or_made)
            .await
    }

    fn recipe(&self, unit: &FlowUnit, bases: &[Digest]) -> Result<Recipe, Failure> {
        let files = self.session.files(self.project);
        Recipe::of(unit, &self.project.folder, bases, files, self.time)
    }

    /// What the first step of the build stands on.
    async fn bases(&self, unit: &FlowUnit, engine: &Engine) -> Result<Vec<EngineImage>, Failure> {
        let declaration = &unit.declaration;
        let mut images = Vec::new();
        let platform = declaration.platform.as_ref().map(oci_platform);
        for reference in &references(declaration) {
            let wanted = Wanted {
                reference,
                local: declaration.local_image,
                platform: platform.as_ref(),
                pinned: self.pins.get(reference),
                anew: self.session.options.update_base,
                place: Some(Place::of(unit)),
            };
            let flow = unit.entry.name;
            let work = || base(engine, &wanted, &self.session.progress, flow);
            let image = self
                .session
                .bases
                .once(&key(declaration, reference), work)
                .await?;
            if let Some(pin) = self.pins.get(reference) {
                self.store().remember_base(pin, self.platform, &content(&image));
            }
            images.push(image);
        }
        Ok(images)
    }

    fn store(&self) -> Store<'_> {
        Store {
            folder: self.project.environments(),
            layout: self.layout,
        }
    }

    /// An environment that need not be made: it is here, or in a registry. Looked for once in a command.
    async fn known(&self, unit: &FlowUnit, recipe: &Recipe) -> Result<Option<Foundation>, Failure> {
        let look = || self.look(unit, recipe);
        let key = found_key(&recipe.identity, self.target);
        self.session.found.once(&key, look).await
    }

    async fn look(&self, unit: &FlowUnit, recipe: &Recipe) -> Result<Option<Foundation>, Failure> {
        let store = self.store();
        let tell = |place: String| {
            let environment = recipe.identity.short().to_owned();
            let event = Event::Found { environment, place };
            self.session.progress.tell(unit.entry.name, event);
        };
        if let Some(known) = store.remembered(&recipe.identity) {
            tell("here".to_owned());
            return Ok(Some(known));
        }
        #[cfg(feature = "registry")]
        if !recipe.steps.is_empty()
            && let Some((known, place)) = self.published(recipe).await
        {
            store.remember(&recipe.identity, &known, None)?;
            tell(place);
            return Ok(Some(known));
        }
        Ok(None)
    }

    async fn make(
        &self,
        unit: &FlowUnit,
        recipe: &Recipe,
        engine: &Engine,
        bases: &[EngineImage],
    ) -> Result<Foundation, Failure> {
        let store = self.store();
        let tell = |event| self.session.progress.tell(unit.entry.name, event);
        let (ground, image) = self.made(unit, recipe, engine, bases).await?;
        // What the builder was sent must be what the identity was made of, or others would be given it for that.
        let contents: Vec<Digest> = bases.iter().map(content).collect();
        if self.recipe(unit, &contents)?.identity != recipe.identity {
            return Err(Failure::new(Stage::Build, &LayerError::ChangedMeanwhile));
        }
        let started = Instant::now();
        let (layers, taken) = store.take_out(engine, &image).await?;
        tell(Event::TakenOut {
            layers: taken,
            milliseconds: milliseconds(started.elapsed()),
        });
        let account = match recipe.complete {
            true => BTreeMap::new(),
            false => account_of(engine, &image).await?,
        };
        let foundation = Foundation {
            config: configuration(&image, &ground),
            layers,
            complete: recipe.complete,
            account,
            entrypoint: entrypoint::kept(engine, &image).await?,
            identity: (!recipe.steps.is_empty()).then(|| recipe.identity.clone()),
        };
        store.remember(&recipe.identity, &foundation, Some(&image.id))?;
        Ok(foundation)
    }

    #[cfg(feature = "registry")]
    async fn published(&self, recipe: &Recipe) -> Option<(Foundation, String)> {
        let places: Vec<&Target> = self.places().collect();
        let (session, layout) = (self.session, self.layout);
        published::find(
            &recipe.identity,
            self.platform,
            &places,
            session,
            layout,
            self.are_read,
        )
        .await
    }

    /// Where environments may be found.
    #[cfg(feature = "registry")]
    fn places(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(self.target).chain(&self.neighbours)
    }

    /// Carries the steps out, each on what the one before made. Gives the image that the generated steps stand on
    /// too: it says who the user is.
    async fn made(
        &self,
        unit: &FlowUnit,
        recipe: &Recipe,
        engine: &Engine,
        bases: &[EngineImage],
    ) -> Result<(EngineImage, EngineImage), Failure> {
        let Some(first) = bases.last() else {
            return Err(Failure::text(
                Stage::Build,
                "a Dockerfile that starts from `scratch` has nothing a flow could stand on",
                "start its last stage from an image, or leave `dockerfile` out",
            ));
        };
        let (mut ground, mut image) = (first.clone(), first.clone());
        if recipe.steps.is_empty() {
            return Ok((ground, image));
        }
        let started = Instant::now();
        self.session.progress.tell(
            unit.entry.name,
            Event::Building {
                environment: recipe.identity.short().to_owned(),
                key: unit.declaration.needs_run().unwrap_or("base_image"),
            },
        );
        for step in &recipe.steps {
            if step.is_generated {
                ground = image.clone();
            }
            image = self.build(unit, step, engine, &image).await?;
            if !step.is_generated {
                ground = image.clone();
            }
        }
        self.session.progress.tell(
            unit.entry.name,
            Event::Built {
                environment: recipe.identity.short().to_owned(),
                milliseconds: milliseconds(started.elapsed()),
            },
        );
        Ok((ground, image))
    }

    /// Whether the engine means this image by the name of the base: a pinned one it may know by another.
    async fn is_named(
        &self,
        declaration: &Declaration,
        engine: &Engine,
        image: &EngineImage,
    ) -> Result<bool, Failure> {
        if self.pins.is_empty() {
            return Ok(true);
        }
        let name = declaration.base_image.base().to_string();
        let meant = engine.image(&name).await.map_err(at(Stage::Build))?;
        Ok(meant.is_some_and(|it| it.id == image.id))
    }

    async fn build(
        &self,
        unit: &FlowUnit,
        step: &Step,
        engine: &Engine,
        on: &EngineImage,
    ) -> Result<EngineImage, Failure> {
        let declaration = &unit.declaration;
        let info = engine.info().await.map_err(at(Stage::Build))?;
        let text = match info.buildkit {
            true => &step.text_with_caches,
            false => &step.text,
        };
        let secrets = Secrets::read(declaration, &unit.rendered.text, &self.project.folder, info)?;
        let platform = declaration.platform.as_ref().map(oci_platform);
        let mut request = BuildRequest {
            project: Some(self.project.mark()),
            build_args: step.build_args.clone(),
            // Only where it must be said: the classic builder takes none at all.
            platform: platform.filter(|it| it.architecture != info.platform.architecture),
            secrets: secrets.values.clone(),
            ..BuildRequest::new(text.clone())
        };
        if step.is_generated {
            python::check(unit, engine, on).await?;
            let user = user(on).unwrap_or(DEFAULT_USER);
            request
                .build_args
                .insert(USER_ARGUMENT.to_owned(), user.to_owned());
        }
        // A builder takes a base by its name only.
        let mut name = None;
        let named_otherwise = step.is_generated && !self.is_named(declaration, engine, on).await?;
        if step.continues || named_otherwise {
            let given = format!("{CHECKED_NAMES}/{}:base-{}", self.project.mark(), on.id.short());
            engine.tag(&on.id, &given).await.map_err(at(Stage::Build))?;
            request.dockerfile = Dockerfile::Text(match step.continues {
                true => Step::text_on(text, &given),
                false => text.replacen(
                    &format!("FROM {}\n", declaration.base_image.base()),
                    &format!("FROM {given}\n"),
                    1,
                ),
            });
            name = Some(given);
        }
        let (reader, sender) = context::stream(step.context.clone(), self.time);
        let mut steps = Steps::default();
        let mut on_event = |event| {
            if let Some(event) = steps.event(secrets.redacted(event)) {
                self.session.progress.tell(unit.entry.name, event);
            }
        };
        let built = engine.build(&request, reader, &mut on_event).await;
        let sent = sender.await;
        if let Some(name) = name {
            engine.untag(&name).await.map_err(at(Stage::Build))?;
        }
        let id = built.map_err(|error| {
            let error = secrets.redacted_error(error);
            failed::build(declaration, &unit.rendered, step, &error)
        })?;
        if let Ok(Err(error)) = sent {
            return Err(context_error(Path::new("the build context"), &error));
        }
        let image = engine.image(id.as_str()).await.map_err(at(Stage::Build))?;
        image.ok_or_else(|| {
            Failure::text(
                Stage::Build,
                "the engine lost the image it has just built",
                "run the command again",
            )
        })
    }
}

/// Names of the steps that run, to tell them when they are done.
#[derive(Default)]
struct Steps {
    names: BTreeMap<String, (String, Instant)>,
    /// Bytes of the context that were told.
    told: u64,
}

impl Steps {
    /// A builder's event as the flow's; nothing for the builder's own errands.
    fn event(&mut self, event: BuildEvent) -> Option<Event> {
        Some(match event {
            BuildEvent::StepStarted {
                step,
                name,
                index,
                total,
            } => {
                index?;
                self.names.insert(step, (name.clone(), Instant::now()));
                Event::Step { name, index, total }
            }
            BuildEvent::StepDone {
                step,
                cached,
                duration,
            } => {
                let (name, started) = self.names.remove(&step)?;
                Event::StepDone {
                    name,
                    cached,
                    milliseconds: milliseconds(duration.unwrap_or_else(|| started.elapsed())),
                }
            }
            BuildEvent::Log { line, .. } => Event::Output { line },
            BuildEvent::ContextBytes(bytes) => {
                // Once in 16 MiB is enough for anybody.
                if bytes < self.told + (16 << 20) {
                    return None;
                }
                self.told = bytes;
                Event::Context { bytes }
            }
            BuildEvent::PullProgress {
                layer,
                current,
                total,
                ..
            } => Event::Pull {
                image: layer,
                done: current,
                total,
            },
        })
    }
}

/// The configuration of a built image: the generated steps ran as root, the flow runs as who it stands on says.
fn configuration(image: &EngineImage, ground: &EngineImage) -> Value {
    let mut config = image.config.clone();
    config["User"] = json!(user(ground).unwrap_or_default());
    // The engine's own housekeeping labels are none of the flow's image.
    if let Some(labels) = config.get_mut("Labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !name.starts_with(crate::engine::LABEL));
    }
    config
}

fn oci_platform(declared: &flowimage_model::platform::Platform) -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: declared.architecture().to_owned(),
        variant: declared.variant().map(str::to_owned),
    }
}

fn context_error(path: &Path, error: &io::Error) -> Failure {
    Failure::text(
        Stage::Build,
        format!("{}: {error}", path.display()),
        "check that it can be read and written",
    )
}

/// What an environment is looked for by: another registry may have what one lacks.
fn found_key(identity: &Digest, target: &Target) -> String {
    format!("{identity} {}", target.registry().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::sha256;

    #[test]
    fn an_environment_is_looked_for_in_each_registry() {
        let key = |registry: &str, path: &str| {
            let target = Target::Repository {
                registry: registry.to_owned(),
                path: path.to_owned(),
            };
            found_key(&sha256(b"environment"), &target)
        };
        assert_ne!(key("one:5000", "a"), key("two:5000", "a"));
        assert_eq!(
            key("one:5000", "a"),
            key("one:5000", "b"),
            "one look is enough for a registry"
        );
    }
}
