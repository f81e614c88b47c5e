//! What the flows of one command share: the command line's options and the engine.

use std::fs::File;
#[cfg(feature = "registry")]
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

#[cfg(any(feature = "engine", feature = "prefect"))]
use tokio::sync::OnceCell;

use crate::assemble::Binary;
#[cfg(feature = "engine")]
use crate::assemble::Foundation;
#[cfg(feature = "registry")]
use crate::base::Bases;
#[cfg(feature = "engine")]
use crate::engine::EngineImage;
#[cfg(any(feature = "engine", feature = "prefect"))]
use crate::failure::at;
use crate::failure::{Failure, Stage};
use crate::file_index::FileIndex;
#[cfg(feature = "registry")]
use crate::layout::Layout;
use crate::listed::Lists;
use crate::oci::Digest;
use crate::pipeline::Options;
use crate::progress::Progress;
use crate::project::Project;
use crate::shared::Shared;
use crate::turns::Turns;

/// Locked by who uses the project's things in the engine, and alone by who sweeps them.
#[cfg(feature = "engine")]
pub(crate) const ENGINE_SIGN: &str = "engine.lock";

/// Locked by who makes or reads images in the project's products, and alone by who cleans them.
pub(crate) const WORK_SIGN: &str = "work.lock";

/// One command at work.
///
/// The engine is reached once, when the first flow needs it, and what dead processes left in it is removed first.
pub struct Session {
    /// The command line's options.
    pub options: Options,
    /// Who is told what happens.
    pub progress: Progress,
    /// Environments that were found or made, by identity.
    #[cfg(feature = "engine")]
    pub environments: Shared<Foundation>,
    /// Environments that were looked for here and in a registry, by identity and registry.
    #[cfg(feature = "engine")]
    pub(crate) found: Shared<Option<Foundation>>,
    /// Base images that were looked up or pulled, by reference.
    #[cfg(feature = "engine")]
    pub bases: Shared<EngineImage>,
    /// What bases are made of, and the digests of their manifests, where they could be read without an engine.
    #[cfg(all(feature = "engine", feature = "registry"))]
    pub(crate) base_contents: Shared<Option<(Digest, Digest)>>,
    /// What layers hold, by their digest: read once for all flows that have them.
    pub(crate) layers_seen: Shared<Arc<crate::check::layer::LayerEntries>>,
    /// Digests of the code of flow binaries, by path.
    pub(crate) codes: Shared<Option<Digest>>,
    /// Runs of images that have nothing to do but say what they are, by all that they depend on.
    pub(crate) runs: Shared<crate::check::Ran>,
    files: OnceLock<FileIndex>,
    binary: OnceLock<Result<Binary, Failure>>,
    /// Layers that flows have in common, before they are made.
    pub(crate) lists: Lists,
    /// Layers that are being made.
    pub(crate) layers: Turns<Digest>,
    /// The sign that this process works on the project's products.
    work: OnceLock<Option<File>>,
    /// Bases that the embedded builder took from registries and layouts, by reference.
    #[cfg(feature = "registry")]
    pub foundations: Shared<(crate::assemble::Foundation, crate::oci::Digest)>,
    /// The registries it speaks to.
    #[cfg(feature = "registry")]
    pub registries: crate::registry::Registries,
    #[cfg(feature = "engine")]
    engine: OnceCell<Result<AtWork, Failure>>,
    #[cfg(feature = "prefect")]
    orchestrator: OnceCell<Result<Option<crate::prefect::Orchestrator>, Failure>>,
}

#[cfg(feature = "registry")]
fn registries(options: &Options) -> crate::registry::Registries {
    use crate::registry::{Registries, RegistrySettings};
    Registries::new(RegistrySettings {
        plain_http: options.settings.registry.plain_http.iter().cloned().collect(),
        ..RegistrySettings::default()
    })
}

/// An engine, and the sign that this project has a living process.
#[cfg(feature = "engine")]
struct AtWork {
    engine: crate::engine::Engine,
    _sign: Option<File>,
}

impl Session {
    /// A command with these options.
    pub fn new(options: Options) -> Self {
        Self {
            progress: Progress::default(),
            #[cfg(feature = "engine")]
            environments: Shared::default(),
            #[cfg(feature = "engine")]
            found: Shared::default(),
            #[cfg(all(feature = "engine", feature = "registry"))]
            base_contents: Shared::default(),
            #[cfg(feature = "engine")]
            bases: Shared::default(),
            layers_seen: Shared::default(),
            codes: Shared::default(),
            runs: Shared::default(),
            files: OnceLock::new(),
            binary: OnceLock::new(),
            lists: Lists::default(),
            layers: Turns::default(),
            work: OnceLock::new(),
            #[cfg(feature = "registry")]
            foundations: Shared::default(),
            #[cfg(feature = "registry")]
            registries: registries(&options),
            #[cfg(feature = "engine")]
            engine: OnceCell::new(),
            options,
            #[cfg(feature = "prefect")]
            orchestrator: OnceCell::new(),
        }
    }

    /// The Prefect server that the environment or `flowimage.toml` names; `None` where neither does.
    ///
    /// # Errors
    /// It cannot be used: the same error for every flow.
    #[cfg(feature = "prefect")]
    pub async fn orchestrator(&self) -> Result<Option<&crate::prefect::Orchestrator>, Failure> {
        use crate::prefect::{Orchestrator, Settings};
        let reach = || async {
            let api_url = self.options.settings.prefect.api_url.as_deref();
            let settings =
                Settings::from_env_or(|name| std::env::var(name).ok(), api_url).map_err(at(Stage::Plan))?;
            let Some(settings) = settings else { return Ok(None) };
            let reached = Orchestrator::reach(&self.options.orchestrator, settings).await;
            reached.map(Some).map_err(at(Stage::Plan))
        };
        match self.orchestrator.get_or_init(reach).await {
            Ok(orchestrator) => Ok(orchestrator.as_ref()),
            Err(failure) => Err(failure.clone()),
        }
    }

    /// What the files of a project hold: one index for all flows, which are of one program and so of one project.
    pub fn files(&self, project: &Project) -> &FileIndex {
        self.files.get_or_init(|| FileIndex::new(project.files()))
    }

    /// The flow binary: this program, or the one that the command line names. It is of all flows, and read once.
    ///
    /// # Errors
    /// It cannot be found, or is no Linux program.
    pub fn binary(&self) -> Result<&Binary, Failure> {
        let read = || {
            let path = match &self.options.binary {
                Some(path) => path.clone(),
                None => std::env::current_exe().map_err(|error| {
                    Failure::text(
                        Stage::Plan,
                        format!("this program cannot be found: {error}"),
                        "use `--binary PATH`",
                    )
                })?,
            };
            Binary::read(&path)
        };
        self.binary.get_or_init(read).as_ref().map_err(Failure::clone)
    }

    /// Where bases come from without an engine.
    #[cfg(feature = "registry")]
    pub(crate) fn bases_for<'a>(&'a self, project: &Project, layout: &'a Layout) -> Bases<'a> {
        Bases {
            registries: &self.registries,
            mirror: self.options.settings.registry.bases.as_ref().map(PathBuf::from),
            layout,
            folder: project.bases(),
        }
    }

    /// Says that images are made or read from now on, until the session ends: `clean` then leaves the project alone.
    /// Waits while a `clean` is at work.
    pub(crate) fn begin(&self, project: &Project) {
        self.work.get_or_init(|| {
            let sign = project.sign(WORK_SIGN);
            let sign = sign.filter(|file| file.lock_shared().is_ok());
            project.share();
            sign
        });
    }

    /// Waits until what cancelled flows left in the engine is removed.
    pub async fn settle(&self) {
        #[cfg(feature = "engine")]
        if let Some(Ok(at_work)) = self.engine.get() {
            at_work.engine.settle().await;
        }
    }

    /// The engine that the command line names.
    ///
    /// # Errors
    /// There is none, or it does not answer: the same error for every flow.
    #[cfg(feature = "engine")]
    pub async fn engine(&self, project: &Project) -> Result<&crate::engine::Engine, Failure> {
        let reached = self.engine.get_or_init(|| self.reach(project)).await;
        match reached {
            Ok(at_work) => Ok(&at_work.engine),
            Err(failure) => Err(failure.clone()),
        }
    }

    #[cfg(feature = "engine")]
    async fn reach(&self, project: &Project) -> Result<AtWork, Failure> {
        let engine = self.connect().await?;
        engine.sweep().await.map_err(at(Stage::Plan))?;
        let sign = project.sign(ENGINE_SIGN);
        // Locked by no one else: no other process of this project lives, and what there is of it was left behind.
        if sign.as_ref().is_some_and(|file| file.try_lock().is_ok()) {
            let kept = crate::environment::kept(&project.environments());
            engine
                .sweep_project(&project.mark(), |id| kept.contains(id))
                .await
                .map_err(at(Stage::Plan))?;
        }
        let shared = sign.filter(|file| {
            // The lock is let go and taken again: the two are not one step, but nothing was begun yet.
            let _ = file.unlock();
            file.lock_shared().is_ok()
        });
        Ok(AtWork {
            engine,
            _sign: shared,
        })
    }

    /// The engine, before anything is removed from it.
    #[cfg(feature = "engine")]
    pub(crate) async fn connect(&self) -> Result<crate::engine::Engine, Failure> {
        use crate::engine::{Engine, EngineAddress, LookUp};
        if self.options.engine == "none" {
            return Err(Failure::text(
                Stage::Plan,
                "`--engine none` leaves no engine",
                "leave it out",
            ));
        }
        let address: EngineAddress = self.options.engine.parse().map_err(at(Stage::Plan))?;
        let look_up = LookUp {
            configured: self.options.settings.engine.clone(),
            ..LookUp::from_env(|name| std::env::var(name).ok())
        };
        Engine::connect(&address, &look_up).await.map_err(at(Stage::Plan))
    }
}
