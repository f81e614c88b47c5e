//! What an engine is asked to build, what it tells meanwhile, and how it fails.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::Advise;
use crate::oci::Platform;

/// A build: a Dockerfile and the archive it copies from.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The Dockerfile.
    pub dockerfile: Dockerfile,
    /// Values of `ARG`s.
    pub build_args: BTreeMap<String, String>,
    /// Labels of the image, added to flowimage's own.
    pub labels: BTreeMap<String, String>,
    /// The project that the build belongs to, for [`crate::engine::Engine::sweep_project`].
    pub project: Option<String>,
    /// What to build for; `None` is the engine's own platform.
    pub platform: Option<Platform>,
    /// What `RUN` may reach.
    pub network: Network,
    /// Images whose layers may be taken for cached steps.
    pub cache_from: Vec<String>,
    /// Whether every step is to be done again.
    pub no_cache: bool,
    /// Which builder; `None` is BuildKit where the engine has it.
    pub builder: Option<Builder>,
    /// Logins for the registries of base images.
    pub logins: Vec<RegistryLogin>,
    /// What steps may read in `/run/secrets` and no layer keeps. Only BuildKit serves any.
    pub secrets: Vec<BuildSecret>,
}

impl BuildRequest {
    /// A build of this text with nothing else said.
    pub fn new(dockerfile: impl Into<String>) -> Self {
        Self {
            dockerfile: Dockerfile::Text(dockerfile.into()),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            project: None,
            platform: None,
            network: Network::default(),
            cache_from: Vec::new(),
            no_cache: false,
            builder: None,
            logins: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

/// Where the Dockerfile is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dockerfile {
    /// This text. It travels in the context under a name made of its hash; `COPY . …` would copy it.
    Text(String),
    /// A file of the context, and its text, which is needed to name the line that failed.
    InContext {
        /// Path inside the context, `/`-separated.
        path: String,
        /// The same bytes as in the context.
        text: String,
    },
}

impl Dockerfile {
    /// The text, wherever the file is.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::InContext { text, .. } => text,
        }
    }
}

/// What the `RUN` steps of a build may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The engine's default network.
    #[default]
    Default,
    /// The network of the engine's machine.
    Host,
    /// Nothing.
    None,
}

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builder {
    /// Docker's BuildKit.
    BuildKit,
    /// Docker's first builder, or Podman's own.
    Classic,
}

/// A secret with its value, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BuildSecret {
    /// Its name in `/run/secrets`.
    pub id: String,
    /// What is read there.
    pub value: Vec<u8>,
}

impl fmt::Debug for BuildSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildSecret")
            .field("id", &self.id)
            .field("value", &"…")
            .finish()
    }
}

/// How to log in to a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// `host[:port]`, as in references.
    pub registry: String,
    /// The user's name.
    pub username: String,
    /// The password or token; never shown.
    pub password: String,
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryLogin")
            .field("registry", &self.registry)
            .field("username", &self.username)
            .field("password", &"…")
            .finish()
    }
}

/// What happens during a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// A step began.
    StepStarted {
        /// Tells the step from others of this build.
        step: String,
        /// The instruction, as the builder shows it.
        name: String,
        /// Its number, from 1; `None` for the builder's own errands.
        index: Option<u32>,
        /// The number of steps.
        total: Option<u32>,
    },
    /// A step ended well.
    StepDone {
        /// As in [`BuildEvent::StepStarted`].
        step: String,
        /// Whether an earlier result was used.
        cached: bool,
        /// How long it took, where the builder says so.
        duration: Option<Duration>,
    },
    /// A line of output, without line end and terminal escapes.
    Log {
        /// The step it came from, where known.
        step: Option<String>,
        /// The line.
        line: String,
    },
    /// A base image is coming in.
    PullProgress {
        /// The layer, in the builder's words.
        layer: String,
        /// What is being done.
        status: String,
        /// Bytes done.
        current: u64,
        /// Bytes in all; 0 where unknown.
        total: u64,
    },
    /// Bytes of the context sent so far.
    ContextBytes(u64),
}

/// A build step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFailure {
    /// The instruction, where known.
    pub step: Option<String>,
    /// The first line of that instruction in the Dockerfile, from 1, where it can be found.
    pub dockerfile_line: Option<usize>,
    /// The status its command ended with.
    pub exit_code: Option<i64>,
    /// The end of its output, at most [`BuildFailure::LINES`] lines.
    pub last_lines: Vec<String>,
    /// The builder's words.
    pub message: String,
}

impl BuildFailure {
    /// The number of lines of output kept.
    pub const LINES: usize = 40;
}

impl fmt::Display for BuildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the build failed")?;
        if let Some(line) = self.dockerfile_line {
            write!(f, " at line {line} of the Dockerfile")?;
        }
        if let Some(step) = &self.step {
            write!(f, " in `{step}`")?;
        }
        match self.exit_code {
            Some(code) => write!(f, ": exit status {code}"),
            None => write!(f, ": {}", self.message),
        }
    }
}

impl std::error::Error for BuildFailure {}

impl Advise for BuildFailure {}
