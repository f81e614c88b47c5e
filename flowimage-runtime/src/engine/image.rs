//! Engines and the images in them.

use std::sync::Arc;

use serde_json::Value;

use crate::oci::{Digest, Platform};

/// Which engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker Engine, or what says nothing else of itself.
    Docker,
    /// Podman's service.
    Podman,
}

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Which engine it is.
    pub kind: EngineKind,
    /// Its version, such as `20.10.24`.
    pub version: String,
    /// Major and minor of the API it speaks.
    pub api: (u16, u16),
    /// Whether builds can go through BuildKit.
    pub buildkit: bool,
    /// What it runs on.
    pub platform: Platform,
}

impl std::fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.kind {
            EngineKind::Docker => "Docker Engine",
            EngineKind::Podman => "Podman",
        };
        write!(f, "{name} {}", self.version)
    }
}

/// What an engine's image IDs are digests of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdScheme {
    /// Of the configuration: Docker's classic stores and Podman.
    Config,
    /// Of the manifest or index: Docker with the containerd image store.
    Manifest,
}

/// An image in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineImage {
    /// What the engine calls the image.
    pub id: Digest,
    /// What `id` is a digest of.
    pub id_scheme: IdScheme,
    /// `repository@sha256:…`, of pulls and pushes.
    pub repo_digests: Vec<String>,
    /// `repository:tag`.
    pub repo_tags: Vec<String>,
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// The `config` object of the image's configuration, with OCI's keys (`Env`, `Entrypoint`, `Cmd`, `User`,
    /// `WorkingDir`, `Labels`, `Healthcheck`, `ExposedPorts`, `Volumes`, `StopSignal`, `Shell`, `OnBuild`).
    pub config: Value,
    /// What it is for.
    pub platform: Platform,
    /// Bytes of the unpacked layers, as the engine counts them.
    pub size: u64,
}

/// One line of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer, in the engine's short form; empty for lines about the whole image.
    pub layer: String,
    /// What is being done, such as `Downloading`.
    pub status: String,
    /// Bytes done so far.
    pub current: Option<u64>,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// How an image goes into an engine.
#[derive(Clone, Debug, Default)]
pub struct LoadRequest {
    /// Uncompressed digests of the layers that the engine is known to have, lowest first (those of the base):
    /// they are not sent again.
    pub present: Vec<Digest>,
    /// `repository:tag` to give the image.
    pub name: Option<String>,
    /// Told the bytes sent so far.
    pub progress: Option<Progress>,
}

/// A counter of bytes that somebody watches.
#[derive(Clone)]
pub struct Progress(pub Arc<dyn Fn(u64) + Send + Sync>);

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

/// What a load did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// What the engine calls the image; with [`IdScheme::Config`] it equals [`crate::oci::Image::id`].
    pub id: Digest,
    /// What `id` is a digest of.
    pub id_scheme: IdScheme,
    /// The number of layers that were sent.
    pub layers_sent: usize,
    /// Whether the engine refused an archive without the layers it should have had, so that all went.
    pub fell_back: bool,
}

/// What a sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// IDs of containers.
    pub containers: Vec<String>,
    /// IDs of images.
    pub images: Vec<String>,
    /// Bytes of those images as the engine counts them: at most what became free, for layers that other images have
    /// too stay.
    pub bytes: u64,
}
