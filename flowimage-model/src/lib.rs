//! The pure half of flowimage: what a declaration may say, and the Dockerfile that follows from it.
//!
//! Shared by the macros and the runtime, so that compile time and run time cannot disagree. No I/O beyond what it
//! is handed ([`declare::Surroundings`]), no async, no clock, no environment.

pub mod command;
mod cron;
pub mod declaration;
pub mod declare;
pub mod dockerfile;
pub mod duration;
pub mod escape;
pub mod health;
pub mod ignore;
pub mod keys;
pub mod names;
pub mod platform;
pub mod python;
pub mod reference;
pub mod render;
pub mod requirement;
pub mod schedule;
pub mod secret;
pub mod settings;
pub mod suggest;
mod text;
pub mod together;
pub mod tree;
pub mod value_error;

pub use declaration::Declaration;
