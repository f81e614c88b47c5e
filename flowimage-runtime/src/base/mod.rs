//! Base images of the embedded builder: from a layout, or from a registry, without an engine.
//!
//! Manifest and configuration are verified and kept in the project's layout. Layers are downloaded only where
//! something must be read from them, and that is remembered by the image's digest: the next time they stay where they
//! are.

mod account;
#[cfg(feature = "registry")]
mod bases;
pub(crate) mod entrypoint;
#[cfg(feature = "registry")]
mod files;

#[cfg_attr(not(feature = "engine"), allow(unused_imports))]
pub(crate) use account::account;

#[cfg(feature = "registry")]
pub use bases::Bases;
