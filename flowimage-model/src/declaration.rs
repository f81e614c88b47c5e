//! The declaration: what an author said of a flow's image, checked and complete, as plain data.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::command::CommandName;
use crate::health::{LibraryName, ProbeName};
use crate::names::{ContainerPath, EnvName, EnvValue, FlowName, GroupName, LabelKey, PackageName, User};
use crate::platform::Platform;
use crate::python::PythonVersion;
use crate::reference::{ImageName, ImageReference, ImageTag, RegistryUrl};
use crate::requirement::Requirement;
use crate::schedule::Schedule;
use crate::secret::Secret;

/// What the attribute, `flowimage.toml` and the item together say of one flow.
///
/// Made by [`crate::declare`] only, so that whatever is here has passed every rule. Maps and lists whose order
/// means nothing are sorted: two spellings of one declaration are equal, and hash the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The flow's name.
    pub name: FlowName,
    /// For people; from the doc comment where the key is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Registry and path that the image is pushed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_url: Option<RegistryUrl>,
    /// Repository below `registry_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_name: Option<ImageName>,
    /// Tag to move to the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<ImageTag>,
    /// The base, as declared or inferred from the keys. With `dockerfile` it is the one of its last stage.
    pub base_image: BaseImage,
    /// The user's own Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<UserDockerfile>,
    /// Path of the file that says what is no part of the build context, relative to the crate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerignore: Option<String>,
    /// apt, apk or dnf packages, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system_dependencies: Vec<PackageName>,
    /// Python requirements, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python_dependencies: Vec<Requirement>,
    /// The Python that runs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_version: Option<PythonVersion>,
    /// Files and folders to copy, sorted by destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileCopy>,
    /// Environment of the image, sorted by name; `$NAME` stands for what the base set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<EnvName, EnvValue>,
    /// Dockerfile instructions, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_dockerfile_commands: Vec<String>,
    /// Values of the `ARG`s of the Dockerfile or of the extra commands, sorted by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<EnvName, String>,
    /// Where the build finds its secrets, sorted by id. Never a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Programs that must be on `PATH`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandName>,
    /// The author's own health checks: program and arguments each, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<Vec<String>>,
    /// What the flow's programs open at run time, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dynamic_libraries: Vec<LibraryName>,
    /// Parameters with which the flow itself is run once inside the image: JSON, or plain text. `None` for no dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<BTreeMap<String, String>>,
    /// Whether health checks see the engine's network.
    #[serde(default, skip_serializing_if = "is_false")]
    pub health_checks_network: bool,
    /// Health checks left out, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_health_checks: Vec<ProbeName>,
    /// Skips every health check.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_healthchecks: bool,
    /// Program and arguments that the flow binary runs as its child, where the flow is no Rust code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<String>,
    /// Never asks a registry for the base: the engine has it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub local_image: bool,
    /// Where the flow binary finds its libraries.
    #[serde(default, skip_serializing_if = "Libraries::is_image")]
    pub libraries: Libraries,
    /// Folder of the flow binary in the image.
    pub flow_directory: ContainerPath,
    /// The user the flow runs as, where declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The platform of the image; the flow binary's where none is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Labels of the image.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, String>,
    /// The `[image.NAME]` of `flowimage.toml` that the flow shares with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<GroupName>,
    /// Tags at the orchestrator, sorted. Nothing of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When the orchestrator runs the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How many runs of the flow the orchestrator has at work at once; more wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_limit: Option<NonZeroU32>,
    /// The orchestrator's work pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_pool: Option<String>,
    /// Lints silenced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

/// Where the flow binary finds its shared libraries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Libraries {
    /// In the image, where its base has them.
    #[default]
    Image,
    /// Beside the binary, with their loader, whatever the base has.
    Bundled,
}

impl Libraries {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's skip_serializing_if passes a reference"
    )]
    fn is_image(&self) -> bool {
        *self == Self::Image
    }
}

impl std::str::FromStr for Libraries {
    type Err = crate::value_error::ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "image" => Ok(Self::Image),
            "bundled" => Ok(Self::Bundled),
            _ => Err(crate::value_error::ValueError::new(format!(
                "{} is no place of libraries: expected `image` or `bundled`",
                crate::value_error::shown(text)
            ))),
        }
    }
}

/// What an image is built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BaseImage {
    /// `base_image` says so.
    Declared(Base),
    /// No key says so: the default for these keys.
    Inferred(Base),
    /// The user's Dockerfile says so: the external image its last stage stands on.
    Dockerfile(Base),
}

impl BaseImage {
    /// The base itself, wherever it was said.
    pub fn base(&self) -> &Base {
        match self {
            BaseImage::Declared(base) | BaseImage::Inferred(base) | BaseImage::Dockerfile(base) => base,
        }
    }
}

/// A base image, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Base {
    /// The empty image.
    Scratch,
    /// An image.
    Image(ImageReference),
}

impl Base {
    /// Whether it is another image whenever its registry says so: it has neither tag nor digest.
    pub(crate) fn floats(&self) -> bool {
        matches!(self, Base::Image(reference) if reference.tag().is_none() && !reference.is_pinned())
    }
}

impl std::str::FromStr for Base {
    type Err = crate::value_error::ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "scratch" {
            Base::Scratch
        } else {
            Base::Image(text.parse()?)
        })
    }
}

impl TryFrom<String> for Base {
    type Error = crate::value_error::ValueError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Base> for String {
    fn from(base: Base) -> Self {
        base.to_string()
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Base::Scratch => f.write_str("scratch"),
            Base::Image(reference) => reference.fmt(f),
        }
    }
}

/// The user's own Dockerfile: its path, and how much of the rendered text is its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserDockerfile {
    /// Path relative to the crate.
    pub path: String,
    /// Its text. Not serialised: it is the first [`UserDockerfile::length`] bytes of the rendered text.
    #[serde(skip)]
    pub text: String,
    /// Number of bytes of the text.
    pub length: usize,
    /// Whether its last stage sets `USER`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sets_user: bool,
}

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCopy {
    /// Absolute path in the image.
    pub destination: ContainerPath,
    /// Path on the author's machine, relative to the crate or absolute.
    pub source: String,
    /// Whether the source is a folder; its contents then come below the destination.
    #[serde(default, skip_serializing_if = "is_false")]
    pub folder: bool,
}

impl Declaration {
    /// The first key that needs a `RUN`, and so an engine; `None` where files can simply be put together.
    pub fn needs_run(&self) -> Option<&'static str> {
        if self.dockerfile.is_some() {
            Some("dockerfile")
        } else {
            self.generated_run()
        }
    }

    /// The first key whose generated steps need a `RUN`, the author's own Dockerfile aside.
    pub fn generated_run(&self) -> Option<&'static str> {
        if !self.system_dependencies.is_empty() {
            Some("system_dependencies")
        } else if !self.python_dependencies.is_empty() {
            Some("python_dependencies")
        } else if self
            .extra_dockerfile_commands
            .iter()
            .any(|command| !only_configures(command))
        {
            Some("extra_dockerfile_commands")
        } else {
            None
        }
    }
}

/// Whether an extra command only changes the image's configuration, which needs no engine.
pub(crate) fn only_configures(command: &str) -> bool {
    const CONFIGURING: [&str; 3] = ["EXPOSE", "STOPSIGNAL", "WORKDIR"];
    let word = command.split_whitespace().next().unwrap_or_default();
    CONFIGURING
        .iter()
        .any(|instruction| word.eq_ignore_ascii_case(instruction))
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
