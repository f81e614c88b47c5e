//! What the engine pulled for a command: images that are registered, or were named to be checked. They stay, so that the
//! next command need not pull them again, and are written down, so that `clean` finds them when no registration needs them.

use std::fs;
use std::path::PathBuf;

use crate::failure::{Failure, Stage};
use crate::oci::{Digest, sha256};
use crate::project::Project;
use crate::whole;

/// Writes down that an image is pulled, before it is: a command that is killed may have pulled it.
///
/// # Errors
/// The project's folder cannot be written.
pub(crate) fn remember(project: &Project, name: &str) -> Result<(), Failure> {
    let path = project.pulled().join(sha256(name.as_bytes()).hex());
    whole::write(&path, name.as_bytes()).map_err(|error| {
        Failure::text(
            Stage::Plan,
            format!("cannot write {}: {error}", path.display()),
            "check its owner and the disk's space",
        )
    })
}

/// The images that are written down, each with the file that says so.
pub(crate) fn all(project: &Project) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(project.pulled()).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), fs::read_to_string(entry.path()).ok()?)))
        .collect()
}

/// The digest by which an image is named.
pub(crate) fn digest(name: &str) -> Option<Digest> {
    name.split_once('@')?.1.parse().ok()
}
