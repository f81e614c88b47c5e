//! Descriptors, manifests, indexes, and an image whose blobs are at hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, sha256};

/// Media types of the documents and blobs that flowimage meets.
pub mod media_type {
    /// An OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An OCI image configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer: a plain tar archive.
    pub const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer: a tar archive compressed with gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer: a tar archive compressed with zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's image manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's manifest list.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's image configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker's layer: a tar archive compressed with gzip.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// What a manifest or index says of a blob: its type, digest and size in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// One of [`media_type`], or a foreign one.
    pub media_type: String,
    /// Digest of the bytes as stored.
    pub digest: Digest,
    /// Number of bytes as stored.
    pub size: u64,
    /// In an index: what the manifest is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free-form notes; a layout keeps reference names here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor with no platform and no annotations.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The descriptor of bytes in memory.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, sha256(bytes), bytes.len() as u64)
    }
}

/// Operating system and architecture in Go's words, as everywhere in OCI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, `v8`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The platform this program was compiled for.
    pub fn of_this_program() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            other => other,
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// An image manifest: one configuration and its layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`media_type::MANIFEST`] or [`media_type::DOCKER_MANIFEST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index: manifests, by platform or by reference name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`media_type::INDEX`] or [`media_type::DOCKER_INDEX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// What it has for a platform; a platform without a variant takes any.
    pub fn for_platform(&self, platform: &Platform) -> Option<&Descriptor> {
        self.manifests.iter().find(|it| {
            it.platform.as_ref().is_some_and(|it| {
                let variant = platform.variant.as_ref();
                it.os == platform.os
                    && it.architecture == platform.architecture
                    && variant.is_none_or(|variant| it.variant.as_ref() == Some(variant))
            })
        })
    }
}

/// Where the bytes of a blob can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file that holds exactly the blob (a layout's `blobs/sha256/…`).
    File(PathBuf),
    /// A repository that served it, `registry[:port]/path`, so that it may be mounted or copied from there.
    Repository(String),
}

/// One layer of an image at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The blob as it is stored and sent, compressed or not.
    pub blob: Descriptor,
    /// Digest of the uncompressed tar archive.
    pub diff_id: Digest,
    /// Where the blob's bytes are.
    pub source: Source,
}

/// An image whose manifest is made and whose blobs are at hand: the product of a build, the input of a
/// layout, a registry or an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The manifest's bytes, exactly as they are hashed, stored and sent.
    pub manifest: Vec<u8>,
    /// [`media_type::MANIFEST`] or [`media_type::DOCKER_MANIFEST`].
    pub media_type: String,
    /// The configuration's bytes.
    pub config: Vec<u8>,
    /// [`media_type::CONFIG`] or [`media_type::DOCKER_CONFIG`].
    pub config_media_type: String,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// An OCI image of a configuration and layers.
    pub fn new(config: Vec<u8>, layers: Vec<Layer>) -> Self {
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            config: Descriptor::of(media_type::CONFIG, &config),
            layers: layers.iter().map(|layer| layer.blob.clone()).collect(),
            annotations: BTreeMap::new(),
        };
        Self {
            manifest: serde_json::to_vec(&manifest).unwrap_or_default(),
            media_type: media_type::MANIFEST.to_owned(),
            config,
            config_media_type: media_type::CONFIG.to_owned(),
            layers,
        }
    }

    /// The digest of the manifest: what is registered.
    pub fn digest(&self) -> Digest {
        sha256(&self.manifest)
    }

    /// The digest of the configuration: what engines call the image's ID.
    pub fn id(&self) -> Digest {
        sha256(&self.config)
    }

    /// The descriptor of the manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.media_type.clone(), &self.manifest)
    }
}
