//! Where an image is registered: a repository of a registry, or an OCI layout on this machine.

use std::path::{Path, PathBuf};

use flowimage_model::Declaration;
#[cfg(feature = "engine")]
use flowimage_model::reference::ImageReference;
use flowimage_model::reference::{ImageName, RegistryUrl};

use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layout::Layout;
use crate::oci::{Digest, Image, Platform};
use crate::pipeline::Options;
use crate::project::Project;
use crate::session::Session;

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
        let name = image_name(declaration)?;
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

    /// The repository that a target's text names; nothing for a layout's.
    #[cfg(feature = "engine")]
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        if text.starts_with("layout:") {
            return None;
        }
        let reference: ImageReference = text.parse().ok()?;
        Some(Target::Repository {
            registry: reference.registry().to_owned(),
            path: reference.repository().to_owned(),
        })
    }

    /// The registry of a repository.
    #[cfg(feature = "engine")]
    pub(crate) fn registry(&self) -> Option<&str> {
        match self {
            Target::Layout { .. } => None,
            Target::Repository { registry, .. } => Some(registry),
        }
    }

    /// Whether both are repositories of one registry, and not the same.
    #[cfg(feature = "engine")]
    pub(crate) fn is_beside(&self, other: &Target) -> bool {
        match (self, other) {
            (
                Target::Repository { registry, path },
                Target::Repository {
                    registry: other,
                    path: elsewhere,
                },
            ) => registry == other && path != elsewhere,
            _ => false,
        }
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
    pub async fn holds(&self, digest: &Digest, unit: &FlowUnit, session: &Session) -> Result<bool, Failure> {
        match self {
            Target::Layout { folder, .. } => {
                if !folder.join("index.json").is_file() {
                    return Ok(false);
                }
                let layout = Layout::open(folder).map_err(at(Stage::Plan))?;
                let named = layout.resolve(unit.declaration.name.as_str()).unwrap_or(None);
                Ok(named.is_some_and(|it| it.digest == *digest) && layout.read_image(digest).is_ok())
            }
            Target::Repository { .. } => self.repository_holds(digest, session).await,
        }
    }

    /// What an engine calls the image that goes there under this tag.
    ///
    /// # Errors
    /// What it is called is no name for an image.
    #[cfg(feature = "engine")]
    pub(crate) fn engine_name(&self, declaration: &Declaration, tag: &str) -> Result<String, Failure> {
        Ok(match self {
            Target::Repository { .. } => format!("{self}:{tag}"),
            Target::Layout { .. } => format!("{}:{tag}", image_name(declaration)?),
        })
    }

    /// Sends what a repository lacks of an image, which then serves it by its digest alone, and says which digest that is.
    /// A layout gets it with its name.
    ///
    /// # Errors
    /// The target cannot be written.
    pub async fn send(&self, image: &Image, own: &Layout, session: &Session) -> Result<Digest, Failure> {
        match self {
            Target::Layout { .. } => Ok(image.digest()),
            Target::Repository { .. } => self.push(image, own, session).await,
        }
    }

    /// Gives an image that was sent its name there: a repository's tag, the flow's in a layout.
    ///
    /// # Errors
    /// The target cannot be written.
    pub async fn name(
        &self,
        image: &Image,
        unit: &FlowUnit,
        own: &Layout,
        platform: &Platform,
        tag: &str,
        session: &Session,
    ) -> Result<(), Failure> {
        match self {
            Target::Layout { folder, .. } => {
                let layout = if folder == own.root() {
                    own.clone()
                } else {
                    Layout::open(folder).map_err(at(Stage::Publish))?
                };
                layout
                    .write_image(image, unit.declaration.name.as_str(), platform)
                    .map_err(at(Stage::Publish))?;
                Ok(())
            }
            Target::Repository { .. } => self.tag(image, tag, session).await,
        }
    }

    /// Asks whether the target may be written, before an image is made for it.
    ///
    /// # Errors
    /// It may not.
    pub async fn check_writable(&self, session: &Session) -> Result<(), Failure> {
        match self {
            Target::Layout { .. } => Ok(()),
            Target::Repository { .. } => self.may_push(session).await,
        }
    }
}

/// The image's name: the declared one, or that of the image that flows share, else the flow's.
fn image_name(declaration: &Declaration) -> Result<ImageName, Failure> {
    let name = match (&declaration.image_name, &declaration.image) {
        (Some(name), _) => return Ok(name.clone()),
        (None, Some(group)) => group.as_str(),
        (None, None) => declaration.name.as_str(),
    };
    name.parse()
        .map_err(|error: flowimage_model::value_error::ValueError| {
            Failure::text(Stage::Plan, error.to_string(), "set `image_name`")
        })
}

#[cfg(feature = "registry")]
impl Target {
    pub(crate) fn repository(&self, session: &Session) -> Result<crate::registry::Repository, Failure> {
        use crate::registry::Access;
        match self {
            Target::Repository { registry, path } => {
                Ok(session.registries.repository(registry, path, Access::Push))
            }
            Target::Layout { name, .. } => Err(Failure::text(
                Stage::Publish,
                format!("{name} is no registry"),
                "report this",
            )),
        }
    }

    async fn may_push(&self, session: &Session) -> Result<(), Failure> {
        let asked = self.repository(session)?.may_push().await;
        asked.map_err(at(Stage::Publish))
    }

    async fn repository_holds(&self, digest: &Digest, session: &Session) -> Result<bool, Failure> {
        let held = self.repository(session)?.manifest(digest.as_str()).await;
        Ok(held.map_err(at(Stage::Publish))?.as_ref() == Some(digest))
    }

    async fn push(&self, image: &Image, own: &Layout, session: &Session) -> Result<Digest, Failure> {
        let pushed = self.repository(session)?.push(image, None, own).await;
        pushed.map_err(at(Stage::Publish))
    }

    async fn tag(&self, image: &Image, tag: &str, session: &Session) -> Result<(), Failure> {
        let tagged = self.repository(session)?.tag(image, tag).await;
        tagged.map_err(at(Stage::Publish))
    }
}

#[cfg(not(feature = "registry"))]
impl Target {
    async fn may_push(&self, _session: &Session) -> Result<(), Failure> {
        Err(self.unsupported())
    }

    async fn repository_holds(&self, _digest: &Digest, _session: &Session) -> Result<bool, Failure> {
        Err(self.unsupported())
    }

    async fn push(&self, _image: &Image, _own: &Layout, _session: &Session) -> Result<Digest, Failure> {
        Err(self.unsupported())
    }

    async fn tag(&self, _image: &Image, _tag: &str, _session: &Session) -> Result<(), Failure> {
        Err(self.unsupported())
    }

    pub(crate) fn unsupported(&self) -> Failure {
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
