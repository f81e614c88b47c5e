//! The story of one flow, from its declaration to its registration. Each stage's product is the next one's
//! argument, so that their order cannot be got wrong.

#[cfg(feature = "engine")]
mod load;
#[cfg(not(feature = "engine"))]
#[path = "pipeline/no_load.rs"]
mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;

use flowimage_model::declaration::Base;
use flowimage_model::settings::Running;

use crate::assemble::{Binary, Foundation, assemble, parts};
use crate::at_hand;
use crate::catalog::Registration;
use crate::check::{self, Check, LOADS, Status};
use crate::failure::{Failure, Stage, at};
use crate::file_index::FileIndex;
use crate::flow::FlowUnit;
use crate::ingredients::Ingredients;
use crate::layer_cache::LayerCache;
use crate::layout::Layout;
use crate::listed::Lists;
#[cfg(feature = "engine")]
use crate::loaded::Loaded;
use crate::oci::{Digest, Image, Platform};
use crate::plan::{Ask, Plan};
use crate::seal::Seals;
use crate::session::Session;
use crate::turns::Turns;
use crate::verify;

/// How the names of folders begin in which an image is built a second time.
pub(crate) const VERIFIED: &str = "verify-";

/// What the command line says about all flows.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Another flow binary than the running program.
    pub binary: Option<PathBuf>,
    /// Another registry than the declared one.
    pub registry: Option<String>,
    /// A tag in place of the declared one.
    pub tag: Option<String>,
    /// Register in a layout in this folder.
    pub output: Option<PathBuf>,
    /// Push nothing: register in the layout.
    pub no_push: bool,
    /// Go on without the health checks.
    pub no_check: bool,
    /// `auto`, `none` or an address.
    pub engine: String,
    /// Take bases as they are now, and pin them anew.
    pub update_base: bool,
    /// Build twice, and compare.
    pub verify: bool,
    /// Put the image into the engine too.
    #[cfg(feature = "engine")]
    pub load: bool,
    /// What `flowimage.toml` says for commands.
    pub settings: Running,
    /// The profile of it that was chosen.
    pub profile: Option<String>,
    /// Where and how registered flows run.
    #[cfg(feature = "prefect")]
    pub orchestrator: crate::prefect::Wishes,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Image and health checks.
    Build,
    /// All of it.
    Register,
}

/// What was done for a flow.
#[derive(Clone, Debug)]
pub struct Done {
    /// `registered`, `built` or `unchanged`.
    pub status: &'static str,
    /// Name of the image, with its digest.
    pub image: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The digest of its configuration.
    pub image_id: Digest,
    /// The health checks, where they ran.
    pub checks: Vec<Check>,
    /// Whether a second build gave the same bytes.
    pub verified: bool,
    /// What the engine calls the image, where it was put there to stay.
    pub loaded: Option<String>,
    /// The flow's deployment, where an orchestrator is named.
    #[cfg(feature = "prefect")]
    pub deployed: Option<crate::prefect::Deployed>,
}

/// What went wrong for a flow, and the checks that ran before.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// Why.
    pub failure: Failure,
    /// The health checks, where they ran.
    pub checks: Vec<Check>,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            checks: Vec::new(),
        }
    }
}

/// Takes a flow to the goal.
///
/// # Errors
/// The first failure; nothing is then registered, no tag has moved.
pub async fn run(unit: &FlowUnit, session: &Session, goal: Goal) -> Result<Done, Stopped> {
    let plan = Plan::make(unit, session, goal)?;
    plan.foresee_load().await?;
    if goal == Goal::Build {
        let built = plan.build().await?;
        if session.options.verify {
            built.verify()?;
        }
        return built.check().await?.done().await;
    }
    #[cfg(feature = "prefect")]
    let deployment = plan.deployment().await?;
    let done = registered(plan, session).await?;
    #[cfg(feature = "prefect")]
    let done = match deployment {
        Some(deployment) => deployment.put(done).await?,
        None => done,
    };
    Ok(done)
}

/// Takes a flow to its target and writes that down.
async fn registered(plan: Plan<'_>, session: &Session) -> Result<Done, Stopped> {
    let plan = match plan.held().await? {
        Held::Yes(held) => return held.load().await?.register(),
        Held::No(plan) => plan,
    };
    plan.target.check_writable(session).await?;
    let built = match plan.build().await?.held().await? {
        Held::Yes(held) => return held.load().await?.register(),
        Held::No(built) => built,
    };
    let checked = built.check().await?;
    let pushed = checked.push().await?;
    pushed.register()
}

/// Whether the target holds the very image that a plan leads to, so that nothing need be sent.
enum Held<'a, T> {
    Yes(Box<Pushed<'a>>),
    No(T),
}

impl<'a> Plan<'a> {
    /// One look at the target, where the catalog says that it may hold the image.
    async fn held(self) -> Result<Held<'a, Self>, Failure> {
        let Some(ingredients) = self.ingredients(Ask::Known).await? else {
            return Ok(Held::No(self));
        };
        Ok(match self.held_with(&ingredients).await? {
            Some(known) => Held::Yes(Box::new(Pushed::again(self, ingredients, known))),
            None => Held::No(self),
        })
    }

    async fn held_with(&self, ingredients: &Ingredients) -> Result<Option<Registration>, Failure> {
        match self.registered(ingredients) {
            Some(known) if self.target.holds(&known.digest, self.unit, self.session).await? => {
                Ok(Some(known.clone()))
            }
            _ => Ok(None),
        }
    }

    /// The flow's deployment to be, where there is to be one.
    #[cfg(feature = "prefect")]
    async fn deployment(&self) -> Result<Option<crate::deploy::Deployment<'a>>, Failure> {
        let program = crate::prefect::Program {
            path: std::path::absolute(&self.binary.path).unwrap_or_else(|_| self.binary.path.clone()),
            folder: self.project.root.clone(),
        };
        let platform = self.binary.platform();
        crate::deploy::Deployment::foresee(self.unit, self.session, &self.target, program, platform).await
    }

    async fn build(self) -> Result<Built<'a>, Failure> {
        self.session.begin(&self.project);
        let layout = Layout::open(self.project.layout()).map_err(at(Stage::Build))?;
        let files = self.session.files(&self.project);
        let making = &self.session.layers;
        let cache = LayerCache::new(self.project.layers(), layout.clone(), files, making, self.created);
        let foundation = self.foundation(&layout).await?;
        if self.unit.declaration.needs_run().is_some() {
            self.refuse_changed()?;
        }
        let image = assemble(
            self.unit,
            self.binary,
            &self.parts,
            &foundation,
            &self.labels(),
            &cache,
            self.created,
        )?;
        files.save();
        let image = self.with_layers(image, &layout).await?;
        let ingredients = self.ingredients(Ask::Engine).await?.unwrap_or_default();
        Ok(Built {
            plan: self,
            layout,
            foundation,
            image,
            ingredients,
            #[cfg(feature = "engine")]
            loaded: None,
        })
    }

    /// What the flow's own layers are laid on.
    async fn foundation(&self, layout: &Layout) -> Result<Foundation, Failure> {
        let declaration = &self.unit.declaration;
        if declaration.needs_run().is_none() && *declaration.base_image.base() == Base::Scratch {
            return Ok(Foundation::default());
        }
        #[cfg(feature = "registry")]
        if self.is_embedded() {
            return self.embedded(layout).await;
        }
        let key = declaration.needs_run().unwrap_or("base_image");
        self.environment(layout)
            .await
            .map_err(|failure| match failure.stage {
                Stage::Plan => Failure {
                    stage: Stage::Build,
                    message: format!("`{key}` needs an engine: {}", failure.message),
                    advice: failure.advice,
                },
                _ => failure,
            })
    }

    /// The base of the embedded builder. One that neither layout nor registry gives may be in an engine, which is not
    /// asked where the base is pinned: there it may be another one.
    #[cfg(feature = "registry")]
    async fn embedded(&self, layout: &Layout) -> Result<Foundation, Failure> {
        let failure = match self.registry_base(layout).await {
            Ok((foundation, _)) => return Ok(foundation),
            Err(failure) => failure,
        };
        #[cfg(feature = "engine")]
        if self.session.options.engine != "none"
            && self.pins.is_empty()
            && self.is_in_engine().await
            && let Ok(foundation) = self.environment(layout).await
        {
            return Ok(foundation);
        }
        Err(failure)
    }

    /// The image with its layers here, where anything reads them: checks do, and a layout holds them.
    #[cfg(feature = "registry")]
    async fn with_layers(&self, image: Image, layout: &Layout) -> Result<Image, Failure> {
        if self.waives_checks() && self.target.is_remote() {
            return Ok(image);
        }
        let local = self.session.registries.download(&image, layout).await;
        local.map_err(at(Stage::Build))
    }

    #[cfg(not(feature = "registry"))]
    async fn with_layers(&self, image: Image, _layout: &Layout) -> Result<Image, Failure> {
        Ok(image)
    }

    #[cfg(feature = "engine")]
    async fn environment(&self, layout: &Layout) -> Result<Foundation, Failure> {
        use crate::environment::Environments;
        let environments = Environments {
            session: self.session,
            project: &self.project,
            layout,
            time: self.created,
            pins: &self.pins,
            platform: &self.binary.platform(),
            target: &self.target,
            neighbours: self.neighbours()?,
            are_read: !self.waives_checks(),
        };
        environments.of(self.unit).await
    }

    #[cfg(not(feature = "engine"))]
    async fn environment(&self, _layout: &Layout) -> Result<Foundation, Failure> {
        Err(Failure::text(
            Stage::Plan,
            "this program was compiled without the feature `engine`",
            "enable it",
        ))
    }
}

/// An image that nobody has looked at yet.
pub struct Built<'a> {
    plan: Plan<'a>,
    layout: Layout,
    foundation: Foundation,
    image: Image,
    ingredients: Ingredients,
    /// The image in the engine, where it is to be there too.
    #[cfg(feature = "engine")]
    loaded: Option<Loaded<'a>>,
}

impl<'a> Built<'a> {
    /// The same, where a base had to be had before anything could be said.
    async fn held(self) -> Result<Held<'a, Self>, Failure> {
        self.plan
            .held_with(&self.ingredients)
            .await
            .map(|known| match known {
                Some(known) => Held::Yes(Box::new(Pushed::again(self.plan, self.ingredients, known))),
                None => Held::No(self),
            })
    }

    /// Makes the flow's own part a second time, in a folder of its own in which nothing is remembered, and compares.
    fn verify(&self) -> Result<(), Failure> {
        let Plan { unit, project, .. } = &self.plan;
        let place = tempfile::Builder::new()
            .prefix(VERIFIED)
            .tempdir_in(&project.products)
            .map_err(|error| {
                Failure::text(
                    Stage::Build,
                    format!("cannot write below {}: {error}", project.products.display()),
                    "check its owner and the disk's space",
                )
            })?;
        let files = FileIndex::new(place.path().join("files"));
        let layout = Layout::open(place.path().join("images")).map_err(at(Stage::Build))?;
        let (making, lists) = (Turns::default(), Lists::default());
        let cache = LayerCache::new(
            place.path().join("layers"),
            layout,
            &files,
            &making,
            self.plan.created,
        );
        let binary = Binary::read(&self.plan.binary.path)?;
        let parts = parts(&unit.declaration, &project.folder, &binary, &files, &lists)?;
        let again = assemble(
            unit,
            &binary,
            &parts,
            &self.foundation,
            &self.plan.labels(),
            &cache,
            self.plan.created,
        )?;
        verify::same(unit.entry.name, &self.image, &again, &place.path().join("seen"))
    }

    /// Sends the image to where it is registered, and gives it its names when all is there. Says what the engine calls it,
    /// where it is there to stay.
    async fn publish(&mut self, tag: &str) -> Result<Option<String>, Failure> {
        let taken = self.send().await?;
        let target = &self.plan.target;
        let digest = self.image.digest();
        if taken != digest {
            return Err(Failure::text(
                Stage::Publish,
                format!("{target} took the image as {taken}, but it is {digest}"),
                "nothing was registered; look at what stands between you and the registry",
            ));
        }
        let platform = self.plan.binary.platform();
        self.share_environment(&platform).await?;
        let loaded = self.stay(Stage::Publish).await?;
        let Plan { target, session, .. } = &self.plan;
        // Last, for others see it.
        target
            .name(&self.image, self.plan.unit, &self.layout, &platform, tag, session)
            .await?;
        Ok(loaded)
    }

    /// Publishes the environment beside the image, so that another machine need not build it.
    #[cfg(all(feature = "engine", feature = "registry"))]
    async fn share_environment(&self, platform: &Platform) -> Result<(), Failure> {
        use crate::environment::published::publish;
        use crate::progress::Event;
        let Plan { target, session, .. } = &self.plan;
        let place = publish(&self.foundation, platform, target, session, &self.layout).await?;
        if let (Some(place), Some(identity)) = (place, &self.foundation.identity) {
            let environment = identity.short().to_owned();
            let flow = self.plan.unit.entry.name;
            session.progress.tell(flow, Event::Shared { environment, place });
        }
        Ok(())
    }

    #[cfg(not(all(feature = "engine", feature = "registry")))]
    #[allow(clippy::unused_async, reason = "the same call with and without the features")]
    async fn share_environment(&self, _platform: &Platform) -> Result<(), Failure> {
        Ok(())
    }

    async fn check(mut self) -> Result<Checked<'a>, Stopped> {
        let unit = self.plan.unit;
        at_hand::remember(
            unit,
            &self.image,
            &self.foundation,
            &self.layout,
            &self.plan.project,
        )?;
        let seals = Seals::of(&self.image);
        if self.plan.waives_checks() {
            return Ok(Checked {
                built: self,
                seals,
                checks: Vec::new(),
                waived: true,
            });
        }
        self.load().await?;
        let subject = check::Subject {
            unit,
            image: check::Held::Layers(&self.image),
            #[cfg(feature = "engine")]
            loaded: self.loaded.as_ref(),
            folder: Some(&self.plan.project.folder),
            binary: Some(&self.plan.binary.path),
            made_here: true,
        };
        let checks = check::check(&subject, self.plan.session, &self.plan.project).await?;
        if let Some(failure) = check::unhealthy(&checks) {
            return Err(Stopped { failure, checks });
        }
        Ok(Checked {
            built: self,
            seals,
            checks,
            waived: false,
        })
    }
}

/// An image that is healthy, or whose author takes it as it is.
pub struct Checked<'a> {
    built: Built<'a>,
    seals: Seals,
    checks: Vec<Check>,
    waived: bool,
}

impl<'a> Checked<'a> {
    async fn done(mut self) -> Result<Done, Stopped> {
        if let Err(failure) = self.built.load().await {
            return Err(self.stopped(failure));
        }
        let loaded = match self.built.stay(Stage::Build).await {
            Ok(loaded) => loaded,
            Err(failure) => return Err(self.stopped(failure)),
        };
        let Built { plan, image, .. } = &self.built;
        let done = Done::new("built", plan, image.digest(), image.id(), self.checks);
        Ok(Done { loaded, ..done })
    }

    /// Sends the image to where it is registered.
    async fn push(mut self) -> Result<Pushed<'a>, Stopped> {
        let Built { plan, image, .. } = &self.built;
        let loaded = self
            .checks
            .iter()
            .any(|check| check.name == LOADS && check.status == Status::Pass);
        if !loaded && !self.waived && plan.target.is_remote() {
            let failure = Failure::text(
                Stage::Check,
                format!("`{LOADS}` could not be checked, and what was not seen to load is not pushed"),
                "start an engine, install bubblewrap, or push all the same with `--no-check`",
            );
            return Err(self.stopped(failure));
        }
        if let Err(failure) = self.seals.are_whole() {
            return Err(self.stopped(failure));
        }
        let digest = image.digest();
        let identity = self.built.ingredients.identity();
        let tag = match plan.tag(&identity) {
            Ok(tag) => tag,
            Err(failure) => return Err(self.stopped(failure)),
        };
        let loaded = match self.built.publish(&tag).await {
            Ok(loaded) => loaded,
            Err(failure) => return Err(self.stopped(failure)),
        };
        let Built { plan, image, .. } = &self.built;
        let registration = Registration {
            registration: Some(plan.registration(&digest)),
            digest,
            image_id: image.id(),
            identity: Some(identity),
            checks: (!self.waived).then(|| plan.checks()),
            tag: plan.target.is_remote().then_some(tag),
            other: BTreeMap::new(),
        };
        Ok(Pushed {
            plan: self.built.plan,
            ingredients: self.built.ingredients,
            known: None,
            registration,
            checks: self.checks,
            loaded,
        })
    }

    fn stopped(self, failure: Failure) -> Stopped {
        Stopped {
            failure,
            checks: self.checks,
        }
    }
}

/// An image that its target holds: the very one that was checked, now or when it was registered.
pub struct Pushed<'a> {
    plan: Plan<'a>,
    ingredients: Ingredients,
    /// What the catalog says already.
    known: Option<Registration>,
    registration: Registration,
    checks: Vec<Check>,
    /// What the engine calls it, where it was put there to stay.
    loaded: Option<String>,
}

impl<'a> Pushed<'a> {
    /// An image that was pushed and registered before.
    fn again(plan: Plan<'a>, ingredients: Ingredients, known: Registration) -> Self {
        Self {
            plan,
            ingredients,
            known: Some(known.clone()),
            registration: known,
            checks: Vec::new(),
            loaded: None,
        }
    }

    /// Writes the registration down, where it is not what the catalog says already.
    fn register(mut self) -> Result<Done, Stopped> {
        let plan = &self.plan;
        self.registration.registration = Some(plan.registration(&self.registration.digest));
        let Registration { digest, image_id, .. } = self.registration.clone();
        let is_known = self.known.as_ref() == Some(&self.registration);
        if !is_known {
            plan.remember(&self.ingredients);
            let name = plan.unit.declaration.name.as_str();
            let put = plan
                .catalog
                .put(name, &plan.target_key(), self.registration, plan.pins_to_be());
            if let Err(error) = put {
                return Err(Stopped {
                    failure: Failure::new(Stage::Register, &error),
                    checks: self.checks,
                });
            }
        }
        let status = if is_known { "unchanged" } else { "registered" };
        let done = Done::new(status, plan, digest, image_id, self.checks);
        Ok(Done {
            loaded: self.loaded,
            ..done
        })
    }
}

impl Done {
    fn new(
        status: &'static str,
        plan: &Plan<'_>,
        digest: Digest,
        image_id: Digest,
        checks: Vec<Check>,
    ) -> Self {
        Self {
            status,
            image: plan.target.image_name(plan.unit, &digest),
            digest,
            image_id,
            checks,
            verified: plan.session.options.verify,
            loaded: None,
            #[cfg(feature = "prefect")]
            deployed: None,
        }
    }
}
