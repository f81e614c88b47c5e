//! Base images of the embedded builder: from a layout, or from a registry, without an engine.
//!
//! Manifest and configuration are verified and kept in the project's layout. Layers are downloaded only where
//! something must be read from them, and that is remembered by the image's digest: the next time they stay where they
//! are.

#[cfg(any(feature = "engine", feature = "registry"))]
mod account;
#[cfg(feature = "registry")]
mod bases;
#[cfg(any(feature = "engine", feature = "registry"))]
pub(crate) mod entrypoint;
#[cfg(feature = "registry")]
mod files;

#[cfg(any(feature = "engine", feature = "registry"))]
pub(crate) use account::account;

#[cfg(feature = "registry")]
pub use bases::Bases;
