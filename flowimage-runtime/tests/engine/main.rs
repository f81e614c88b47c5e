//! The engine path on real engines: Docker with both builders, and Podman.
//!
//! Needs `DOCKER_HOST`, `FLOWIMAGE_TEST_BASE` (an image with a shell) and `FLOWIMAGE_TEST_PODMAN`; a test whose
//! engine is not named fails. Everything made here is removed by name or ID.

mod build;
mod connect;
mod death;
mod exchange;
mod kit;
mod run;
