//! The story of one flow, from its declaration to its registration. Each stage's product is the next one's
//! argument, so that their order cannot be got wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flowimage_model::declaration::{Base, BaseImage};

use crate::assemble::{Assembled, Binary, Foundation, assemble};
use crate::catalog::{Catalog, Registration};
use crate::check::{self, Check, LOADS, Status};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layer_cache::LayerCache;
use crate::layout::Layout;
use crate::oci::{Digest, Image, Platform};
use crate::project::{self, Project};
use crate::target::Target;

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
pub async fn run(unit: &FlowUnit, options: &Options, goal: Goal) -> Result<Done, Stopped> {
    let plan = Plan::make(unit, options, goal)?;
    if goal == Goal::Register {
        plan.target.check_writable().await?;
    }
    let built = plan.build().await?;
    if goal == Goal::Register
        && let Some(done) = built.unchanged().await?
    {
        return Ok(done);
    }
    let checked = built.check().await?;
    if goal == Goal::Build {
        return Ok(checked.done());
    }
    let pushed = checked.push().await?;
    pushed.register()
}

/// Everything about a flow that is known before anything is made.
pub struct Plan<'a> {
    unit: &'a FlowUnit,
    options: &'a Options,
    folder: PathBuf,
    project: Project,
    binary: Binary,
    target: Target,
    catalog: Catalog,
    created: u64,
}

impl<'a> Plan<'a> {
    /// Resolves a declaration on this machine.
    ///
    /// # Errors
    /// The crate's folder or the binary cannot be found; the catalog cannot be used; a source changed since the
    /// program was compiled.
    pub fn make(unit: &'a FlowUnit, options: &'a Options, goal: Goal) -> Result<Self, Failure> {
        let folder = project::crate_folder(unit.entry).map_err(at(Stage::Plan))?;
        let project = Project::of(unit.entry).map_err(at(Stage::Plan))?;
        refuse_stale(unit, &folder)?;
        let path = match &options.binary {
            Some(path) => path.clone(),
            None => std::env::current_exe().map_err(|error| {
                Failure::text(
                    Stage::Plan,
                    format!("this program cannot be found: {error}"),
                    "use `--binary PATH`",
                )
            })?,
        };
        let binary = Binary::read(&path)?;
        let target = Target::of(&unit.declaration, options, &project)?;
        let catalog = Catalog::in_folder(&project.root);
        if goal == Goal::Register {
            catalog.check_writable().map_err(at(Stage::Plan))?;
        }
        Ok(Self {
            unit,
            options,
            folder,
            project,
            binary,
            target,
            catalog,
            created: created()?,
        })
    }

    /// What `plan` prints: decisions and their reasons, by name.
    pub fn explain(&self) -> Result<BTreeMap<&'static str, String>, Failure> {
        let declaration = &self.unit.declaration;
        let mut lines = BTreeMap::new();
        let base = &declaration.base_image;
        let why = match base {
            BaseImage::Declared(_) => "declared",
            BaseImage::Dockerfile(_) => "the Dockerfile's",
            BaseImage::Inferred(_) => "inferred from the keys",
        };
        lines.insert("base", format!("{} ({why})", base.base()));
        lines.insert(
            "builder",
            match declaration.needs_run() {
                Some(key) => format!("an engine, because of `{key}`"),
                None => "embedded: nothing needs RUN".to_owned(),
            },
        );
        lines.insert("platform", self.binary.platform().to_string());
        lines.insert("binary", self.binary.path.display().to_string());
        lines.insert("target", self.target.to_string());
        let known = self
            .catalog
            .get(declaration.name.as_str(), &self.target_key())
            .map_err(at(Stage::Plan))?;
        lines.insert(
            "registered",
            match known {
                None => "not yet".to_owned(),
                Some(known) if known.declaration != self.unit.declaration_hash().as_str() => {
                    format!("{}, with another declaration", known.digest)
                }
                Some(known) => known.digest.to_string(),
            },
        );
        Ok(lines)
    }

    fn target_key(&self) -> String {
        format!("{} {}", self.target, self.binary.platform())
    }

    async fn build(self) -> Result<Built<'a>, Failure> {
        let layout = Layout::open(self.project.layout()).map_err(at(Stage::Build))?;
        let cache = LayerCache::new(self.project.products.join("layers"), layout.clone(), self.created);
        let foundation = self.foundation(&layout).await?;
        let Assembled { image, .. } = assemble(
            self.unit,
            &self.folder,
            &self.binary,
            &foundation,
            &cache,
            self.created,
        )?;
        Ok(Built {
            plan: self,
            layout,
            image,
        })
    }

    /// What the flow's own layers are laid on.
    async fn foundation(&self, layout: &Layout) -> Result<Foundation, Failure> {
        let declaration = &self.unit.declaration;
        if declaration.needs_run().is_none() && *declaration.base_image.base() == Base::Scratch {
            return Ok(Foundation::default());
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

    #[cfg(feature = "engine")]
    async fn environment(&self, layout: &Layout) -> Result<Foundation, Failure> {
        use crate::environment::{Environments, connect};
        let engine = connect(self.options).await.map_err(|failure| Failure {
            stage: Stage::Plan,
            ..failure
        })?;
        let environments = Environments {
            folder: self.project.products.join("environments"),
            layout,
            time: self.created,
        };
        Ok(environments.of(self.unit, &self.folder, &engine).await?.0)
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

/// A stale declaration builds what the source no longer says.
fn refuse_stale(unit: &FlowUnit, folder: &std::path::Path) -> Result<(), Failure> {
    let Some(dockerfile) = &unit.declaration.dockerfile else {
        return Ok(());
    };
    let path = folder.join(&dockerfile.path);
    match std::fs::read_to_string(&path) {
        Ok(text) if text == dockerfile.text => Ok(()),
        Ok(_) => Err(Failure::text(
            Stage::Plan,
            format!("{} changed after this program was compiled", path.display()),
            "compile it again: `cargo run` does",
        )),
        Err(error) => Err(Failure::text(
            Stage::Plan,
            format!("cannot read {}: {error}", path.display()),
            "put it back, or change `dockerfile`",
        )),
    }
}

/// The time that images and their files bear: `SOURCE_DATE_EPOCH`, or 0.
///
/// Source: <https://reproducible-builds.org/specs/source-date-epoch/>.
fn created() -> Result<u64, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().map_err(|_| {
            Failure::text(
                Stage::Plan,
                format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"),
                "unset it, or set it to seconds since 1970",
            )
        }),
        Err(_) => Ok(0),
    }
}

/// An image that nobody has looked at yet.
pub struct Built<'a> {
    plan: Plan<'a>,
    layout: Layout,
    image: Image,
}

impl<'a> Built<'a> {
    /// Whether this very image is registered at the target already, and the target still holds it.
    async fn unchanged(&self) -> Result<Option<Done>, Failure> {
        let plan = &self.plan;
        let name = plan.unit.declaration.name.as_str();
        let Some(known) = plan
            .catalog
            .get(name, &plan.target_key())
            .map_err(at(Stage::Plan))?
        else {
            return Ok(None);
        };
        let same = known.digest == self.image.digest()
            && known.declaration == plan.unit.declaration_hash().as_str()
            && plan.target.holds(&self.image, plan.unit).await?;
        Ok(same.then(|| self.done("unchanged", Vec::new())))
    }

    async fn check(self) -> Result<Checked<'a>, Stopped> {
        let unit = self.plan.unit;
        if self.plan.options.no_check || unit.declaration.ignore_healthchecks {
            return Ok(Checked {
                built: self,
                checks: Vec::new(),
                waived: true,
            });
        }
        let scratch = self.plan.project.products.join("roots");
        std::fs::create_dir_all(&scratch).map_err(|error| {
            Failure::text(
                Stage::Check,
                format!("cannot make {}: {error}", scratch.display()),
                "check its owner",
            )
        })?;
        let checks = check::check(unit, &self.image, &scratch, self.plan.options).await?;
        if let Some(failed) = checks.iter().find(|check| check.status == Status::Fail) {
            let failure = Failure {
                stage: Stage::Check,
                message: format!("{}: {}", failed.name, failed.detail),
                advice: Some(failed.advice.clone()).filter(|advice| !advice.is_empty()),
            };
            return Err(Stopped { failure, checks });
        }
        Ok(Checked {
            built: self,
            checks,
            waived: false,
        })
    }

    fn done(&self, status: &'static str, checks: Vec<Check>) -> Done {
        let digest = self.image.digest();
        Done {
            status,
            image: self.plan.target.image_name(self.plan.unit, &digest),
            digest,
            image_id: self.image.id(),
            checks,
        }
    }
}

/// An image that is healthy, or whose author takes it as it is.
pub struct Checked<'a> {
    built: Built<'a>,
    checks: Vec<Check>,
    waived: bool,
}

impl<'a> Checked<'a> {
    fn done(self) -> Done {
        self.built.done("built", self.checks)
    }

    /// Sends the image to where it is registered.
    async fn push(self) -> Result<Pushed<'a>, Stopped> {
        let Built { plan, layout, image } = &self.built;
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
            return Err(Stopped {
                failure,
                checks: self.checks,
            });
        }
        let platform: Platform = plan.binary.platform();
        let sent = plan
            .target
            .publish(image, plan.unit, layout, &platform, plan.options)
            .await;
        match sent {
            Ok(digest) if digest == image.digest() => Ok(Pushed {
                checked: self,
                digest,
            }),
            Ok(digest) => Err(Stopped {
                failure: Failure::text(
                    Stage::Publish,
                    format!(
                        "{} took the image as {digest}, but it is {}",
                        plan.target,
                        image.digest()
                    ),
                    "nothing was registered; look at what stands between you and the registry",
                ),
                checks: self.checks,
            }),
            Err(failure) => Err(Stopped {
                failure,
                checks: self.checks,
            }),
        }
    }
}

/// An image that its target holds: the very one that was checked.
pub struct Pushed<'a> {
    checked: Checked<'a>,
    digest: Digest,
}

impl Pushed<'_> {
    /// Writes the registration down.
    fn register(self) -> Result<Done, Stopped> {
        let built = &self.checked.built;
        let plan = &built.plan;
        let registration = Registration {
            digest: self.digest,
            image_id: built.image.id(),
            declaration: plan.unit.declaration_hash().to_string(),
            other: BTreeMap::new(),
        };
        let name = plan.unit.declaration.name.as_str();
        match plan.catalog.put(name, &plan.target_key(), registration) {
            Ok(()) => Ok(built.done("registered", self.checked.checks.clone())),
            Err(error) => {
                let failure = Failure::new(Stage::Register, &error);
                Err(Stopped {
                    failure,
                    checks: self.checked.checks,
                })
            }
        }
    }
}
