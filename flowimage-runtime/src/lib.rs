//! The runtime of flowimage: what happens between a declaration and a registered digest.
//!
//! One module per stage, in the order the data flows.

pub mod advice;
pub mod assemble;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod context;
pub mod elf;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod environment;
pub mod failure;
pub mod flow;
pub mod gzip;
pub mod layer;
pub mod layer_cache;
pub mod layout;
pub mod oci;
pub mod pipeline;
pub mod project;
#[cfg(feature = "registry")]
pub mod registry;
pub mod sandbox;
pub mod scratch;
pub mod target;
pub mod unpack;

pub use advice::Advise;
#[doc(hidden)]
pub use {inventory, serde, serde_json};
