//! The few types of the OCI image specification that flowimage reads and writes.
//!
//! Source of the shapes: <https://github.com/opencontainers/image-spec>. Unknown fields of what was read are
//! kept where the document goes on to be written (the configuration of a base).

pub(crate) mod config;
mod digest;
mod image;
mod open;

pub(crate) use digest::sha256_of_file;
pub use digest::{Digest, DigestError, Hasher, HashingReader, HashingWriter, sha256};
pub use image::{Descriptor, Image, Index, Layer, Manifest, Platform, Source, media_type};
#[cfg(feature = "engine")]
pub(crate) use open::Zstd;
