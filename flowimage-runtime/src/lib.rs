//! The runtime of flowimage: what happens between a declaration and a registered digest.
//!
//! One module per stage, in the order the data flows.

pub mod advice;
pub mod assemble;
pub mod at_hand;
pub mod base;
mod captured;
pub mod catalog;
pub mod check;
pub mod clean;
pub mod cli;
pub mod context;
#[cfg(feature = "prefect")]
pub mod deploy;
pub mod elf;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod environment;
pub mod exec;
pub mod failure;
pub mod file_index;
pub mod flow;
pub mod given;
pub mod gzip;
pub mod health;
pub mod ingredients;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod labels;
pub mod layer;
pub mod layer_cache;
pub mod layout;
pub mod listed;
#[cfg(feature = "engine")]
mod loaded;
pub mod oci;
pub mod parameters;
pub mod pipeline;
pub mod plan;
#[cfg(feature = "prefect")]
pub mod prefect;
pub mod progress;
pub mod project;
#[cfg(feature = "engine")]
mod pulled;
mod reasons;
#[cfg(feature = "registry")]
pub mod registry;
pub mod run;
pub mod sandbox;
pub mod scratch;
mod seal;
pub mod session;
pub mod settings;
pub mod shared;
pub mod stale;
pub mod target;
pub mod task;
pub mod timestamp;
#[cfg(any(feature = "engine", feature = "registry"))]
mod tls;
pub mod turns;
mod unique;
pub mod unpack;
mod verify;
mod whole;
mod words;

pub use advice::Advise;
#[doc(hidden)]
pub use {inventory, serde, serde_json};
