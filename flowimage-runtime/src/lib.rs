//! The runtime of flowimage: what happens between a declaration and a registered digest.
//!
//! One module per stage, in the order the data flows; [`pipeline`] tells the whole story.

pub mod advice;
#[cfg(feature = "engine")]
pub mod engine;
pub mod oci;

pub use advice::Advise;
