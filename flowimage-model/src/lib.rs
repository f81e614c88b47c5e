//! The pure half of flowimage: what a declaration may say, and the Dockerfile that follows from it.
//!
//! Shared by the macros and the runtime, so that compile time and run time cannot disagree. No I/O beyond what it
//! is handed ([`declare::Surroundings`]), no async, no clock, no environment.

pub mod declaration;
pub mod declare;
pub mod dockerfile;
pub mod escape;
pub mod keys;
pub mod names;
pub mod reference;
pub mod render;
pub mod suggest;
mod text;
pub mod tree;
pub mod value_error;

pub use declaration::Declaration;
