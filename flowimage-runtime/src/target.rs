//! Where an image is registered: a repository of a registry, or an OCI layout on this machine.

use std::path::{Path, PathBuf};

use flowimage_model::Declaration;
use flowimage_model::reference::{ImageName, RegistryUrl};

use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layout::Layout;
use crate::oci::{Digest, Image, Platform};
use crate::pipeline::Options;
use crate::project::Project;

/// A place that holds images.
#[derive(Clone, Debug)]
pub enum Target {
    /// A layout in a folder; the text is its name in the catalog, the same on every machine.
    Layout {
        /// The folder.
        folder: PathBuf,
        /// Its name.
        name: String,
    },
    /// A repository of a registry.
    Repository {
        /// `registry[:port]`.
        registry: String,
        /// The path after it.
        path: String,
    },
}

impl Target {
    /// Where this flow goes.
    ///
    /// # Errors
    /// A registry or name that is none.
    pub fn of(declaration: &Declaration, options: &Options, project: &Project) -> Result<Self, Failure> {
        if let Some(folder) = &options.output {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            return Ok(Self::layout(folder, &project.root));
        }
        let given = options
            .registry
            .as_deref()
            .map(str::parse::<RegistryUrl>)
            .transpose();
        let given = given.map_err(|error| {
            Failure::text(
                Stage::Plan,
                format!("--registry: {error}"),
                error.help().unwrap_or("write host[:port][/path]"),
            )
        })?;
        let registry = given.as_ref().or(declaration.registry_url.as_ref());
        let Some(registry) = registry.filter(|_| !options.no_push) else {
            return Ok(Self::layout(project.layout(), &project.root));
        };
        let name: ImageName = match &declaration.image_name {
            Some(name) => name.clone(),
            None => declaration.name.as_str().parse().map_err(
                |error: flowimage_model::value_error::ValueError| {
                    Failure::text(Stage::Plan, error.to_string(), "set `image_name`")
                },
            )?,
        };
        let reference = registry.image(&name).map_err(|error| {
            Failure::text(
                Stage::Plan,
                error.to_string(),
                error.help().unwrap_or("shorten `registry_url` or `image_name`"),
            )
        })?;
        Ok(Target::Repository {
            registry: reference.registry().to_owned(),
            path: reference.repository().to_owned(),
        })
    }

    fn layout(folder: PathBuf, root: &Path) -> Self {
        let name = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
        Target::Layout {
            folder,
            name: format!("layout:{name}"),
        }
    }

    /// Whether pushing there makes the image anybody else's.
    pub fn is_remote(&self) -> bool {
        matches!(self, Target::Repository { .. })
    }

    /// What a flow's image is called there.
    pub fn image_name(&self, unit: &FlowUnit, digest: &Digest) -> String {
        match self {
            Target::Layout { name, .. } => format!("{name}:{}", unit.declaration.name),
            Target::Repository { .. } => format!("{self}@{digest}"),
        }
    }

    /// Whether the target holds the image now, and under its name.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn holds(&self, image: &Image, unit: &FlowUnit) -> Result<bool, Failure> {
        match self {
            Target::Layout { folder, .. } => {
                if !folder.join("index.json").is_file() {
                    return Ok(false);
                }
                let layout = Layout::open(folder).map_err(at(Stage::Plan))?;
                let named = layout.resolve(unit.declaration.name.as_str()).unwrap_or(None);
                Ok(named.is_some_and(|it| it.digest == image.digest())
                    && layout.read_image(&image.digest()).is_ok())
            }
            Target::Repository { .. } => self.repository_holds(image).await,
        }
    }

    /// Stores the image there and says which digest it has.
    ///
    /// # Errors
    /// The target cannot be written.
    pub async fn publish(
        &self,
        image: &Image,
        unit: &FlowUnit,
        own: &Layout,
        platform: &Platform,
        options: &Options,
    ) -> Result<Digest, Failure> {
        match self {
            Target::Layout { folder, .. } => {
                let layout = if folder == own.root() {
                    own.clone()
                } else {
                    Layout::open(folder).map_err(at(Stage::Publish))?
                };
                let written = layout
                    .write_image(image, unit.declaration.name.as_str(), platform)
                    .map_err(at(Stage::Publish))?;
                Ok(written.digest)
            }
            Target::Repository { .. } => self.push(image, unit, options).await,
        }
    }

    /// Asks whether the target may be written, before an image is made for it.
    ///
    /// # Errors
    /// It may not.
    pub async fn check_writable(&self) -> Result<(), Failure> {
        match self {
            Target::Layout { .. } => Ok(()),
            Target::Repository { .. } => self.may_push().await,
        }
    }
}

#[cfg(feature = "registry")]
impl Target {
    fn repository(&self) -> Result<crate::registry::Repository, Failure> {
        match self {
            Target::Repository { registry, path } => {
                crate::registry::Repository::new(registry, path).map_err(at(Stage::Publish))
            }
            Target::Layout { name, .. } => Err(Failure::text(
                Stage::Publish,
                format!("{name} is no registry"),
                "report this",
            )),
        }
    }

    async fn may_push(&self) -> Result<(), Failure> {
        self.repository()?.may_push().await.map_err(at(Stage::Publish))
    }

    async fn repository_holds(&self, image: &Image) -> Result<bool, Failure> {
        let digest = image.digest();
        let held = self
            .repository()?
            .manifest(digest.as_str())
            .await
            .map_err(at(Stage::Publish))?;
        Ok(held.as_deref() == Some(digest.as_str()))
    }

    async fn push(&self, image: &Image, unit: &FlowUnit, options: &Options) -> Result<Digest, Failure> {
        let identity = image.digest();
        // Without a declared tag the tag is the identity itself, which cannot lie.
        let tag = match (&options.tag, &unit.declaration.image_tag) {
            (Some(tag), _) => tag.as_str(),
            (None, Some(tag)) => tag.as_str(),
            (None, None) => identity.short(),
        };
        tag.parse::<flowimage_model::reference::ImageTag>()
            .map_err(|error| {
                Failure::text(
                    Stage::Publish,
                    format!("--tag: {error}"),
                    error.help().unwrap_or("write another tag"),
                )
            })?;
        self.repository()?
            .push(image, Some(tag))
            .await
            .map_err(at(Stage::Publish))
    }
}

#[cfg(not(feature = "registry"))]
impl Target {
    async fn may_push(&self) -> Result<(), Failure> {
        Err(self.unsupported())
    }

    async fn repository_holds(&self, _image: &Image) -> Result<bool, Failure> {
        Err(self.unsupported())
    }

    async fn push(&self, _image: &Image, _unit: &FlowUnit, _options: &Options) -> Result<Digest, Failure> {
        Err(self.unsupported())
    }

    fn unsupported(&self) -> Failure {
        Failure::text(
            Stage::Publish,
            format!("{self}: this program was compiled without the feature `registry`"),
            "enable it, or register in a layout with `--no-push`",
        )
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Layout { name, .. } => f.write_str(name),
            Target::Repository { registry, path } => write!(f, "{registry}/{path}"),
        }
    }
}
