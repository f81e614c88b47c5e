//! Container engines: daemons that speak the Docker Engine API (Docker, Podman).
//!
//! Everything here is in our own types. Only [`Engine`]'s own file and those below it name bollard, so
//! that its releases are not ours.

mod address;
mod archive;
mod build;
mod builder_words;
mod docker;
mod docker_context;
mod error;
mod failing_line;
mod image;
mod locate;
mod owner;
mod run;
mod saved;

pub use crate::captured::Captured;
pub use address::{EngineAddress, SshHost};
pub use archive::{ArchiveError, ArchiveLayers, write_archive};
pub use build::{
    BuildEvent, BuildFailure, BuildRequest, BuildSecret, Builder, Dockerfile, Network, RegistryLogin,
};
pub use docker::{ContainerFiles, Engine, FileStat, FileType, Listener};
pub use error::{EngineError, RegistryFault, SshFault, TlsFault, Transport};
pub use image::{
    EngineImage, EngineInfo, EngineKind, IdScheme, LoadReport, LoadRequest, Progress, PullProgress,
    SweepReport,
};
pub use locate::{Certificates, Located, LookUp, locate};
pub use run::{Ended, Limits, Root, RunOutcome, RunRequest};
pub use saved::{ExportedImage, SavedError, SavedLimits, read_saved};

/// The label on every image and container that flowimage makes; its value is `1`.
pub const LABEL: &str = "dev.flowimage";
/// The label that names the process that owns a container: `<pid>-<start time>`.
pub const LABEL_OWNER: &str = "dev.flowimage.owner";
/// The label that names the machine and process namespace in which [`LABEL_OWNER`] has a meaning.
pub const LABEL_HOST: &str = "dev.flowimage.host";
/// The label that names the project a build belongs to: a hash of its folder's path.
pub const LABEL_PROJECT: &str = "dev.flowimage.project";
/// The repository of images that are being checked or run; the project's hash is their last component.
pub const CHECKED_NAMES: &str = "flowimage.local/checked";
