//! The probes, one file each.

pub(super) mod commands;
pub(super) mod dry_run;
pub(super) mod dynamic_libraries;
pub(super) mod files;
pub(super) mod health_checks;
pub(super) mod libraries;
pub(super) mod load;
mod missing;
pub(super) mod pip_check;
pub(super) mod platform;
pub(super) mod profile;
pub(super) mod python;
pub(super) mod rust;
pub(super) mod user;
pub(super) mod variables;
