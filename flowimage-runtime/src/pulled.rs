//! What the engine pulled for a command, or was given to keep (`--load`): images that are registered, or were named to be
//! checked. They stay, so that the next command need not pull them again, and are written down, so that `clean` finds them
//! when no registration needs them.

use std::collections::BTreeSet;
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
    write(project, name, None)
}

/// Writes down what came of it: by a name that is no digest, another image may be meant some day.
///
/// # Errors
/// The project's folder cannot be written.
pub(crate) fn came(project: &Project, name: &str, id: &Digest) -> Result<(), Failure> {
    write(project, name, Some(id))
}

fn write(project: &Project, name: &str, id: Option<&Digest>) -> Result<(), Failure> {
    let path = project.pulled().join(sha256(name.as_bytes()).hex());
    let id = id.map(Digest::to_string).unwrap_or_default();
    whole::write(&path, format!("{name}\n{id}\n").as_bytes()).map_err(|error| {
        Failure::text(
            Stage::Plan,
            format!("cannot write {}: {error}", path.display()),
            "check its owner and the disk's space",
        )
    })
}

/// An image that was pulled, or was to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// The file that says so.
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    /// The engine's ID of it, where it came.
    id: Option<Digest>,
}

impl Pulled {
    /// Whether it is one of these, by digest or ID.
    pub(crate) fn is_one_of(&self, images: &BTreeSet<Digest>) -> bool {
        let named = self.digest();
        [named.as_ref(), self.id.as_ref()]
            .into_iter()
            .flatten()
            .any(|it| images.contains(it))
    }

    /// The digest by which it is named.
    fn digest(&self) -> Option<Digest> {
        self.name.split_once('@')?.1.parse().ok()
    }

    /// Whether the image that the engine means by the name now is the one that was pulled. Others are not ours: who built
    /// one of this name wants to keep it.
    pub(crate) fn is(&self, id: &Digest) -> bool {
        self.digest().is_some() || self.id.as_ref() == Some(id)
    }
}

/// The images that are written down.
pub(crate) fn all(project: &Project) -> Vec<Pulled> {
    let entries = fs::read_dir(project.pulled()).into_iter().flatten().flatten();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        let (name, id) = text.split_once('\n')?;
        // What a process that was killed left half written has another name.
        let is_whole = path.file_name()? == sha256(name.as_bytes()).hex();
        is_whole.then(|| Pulled {
            name: name.to_owned(),
            id: id.trim_end().parse().ok(),
            path: path.clone(),
        })
    };
    entries.filter_map(|entry| read(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_pulled_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project {
            folder: folder.path().to_owned(),
            root: folder.path().to_owned(),
            real_root: folder.path().to_owned(),
            products: folder.path().to_owned(),
        };
        let (one, other) = (sha256(b"one"), sha256(b"other"));
        let only = || {
            let mut all = all(&project);
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0)
        };
        remember(&project, "etl:dev").unwrap();
        assert!(!only().is(&one), "it never came: who has it built it");
        came(&project, "etl:dev", &one).unwrap();
        fs::write(project.pulled().join(".tmp123"), "").unwrap();
        fs::write(project.pulled().join(".tmp124"), "etl:d\n").unwrap();
        let pulled = only();
        assert_eq!((pulled.name.as_str(), pulled.digest()), ("etl:dev", None));
        assert!(pulled.is(&one) && !pulled.is(&other));
        fs::remove_file(pulled.path).unwrap();
        // A digest means one image only.
        remember(&project, &format!("r.io/etl@{one}")).unwrap();
        assert!(only().is(&other) && only().digest() == Some(one));
    }
}
