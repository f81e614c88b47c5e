//! The engine path on real engines: Docker with both builders, and Podman.
//!
//! Needs `DOCKER_HOST`, `FLOWIMAGE_TEST_BASE` (an image with a shell) and `FLOWIMAGE_TEST_PODMAN`; a test whose
//! engine is not named fails. Everything made here is removed by name or ID.

mod build;
mod connect;
mod death;
mod exchange;
#[path = "../registry/fake.rs"]
#[allow(dead_code, reason = "here the real registry answers")]
mod fake;
mod kit;
mod registry;
mod run;
#[path = "../registry/server.rs"]
#[allow(dead_code, reason = "some faults need the registry in memory")]
mod server;
