//! What an engine pulled for a command, or was given to keep (`--load`): images that are registered, or were named to be
//! checked. They stay, so that the next command need not pull them again, and are written down, so that `clean` finds them
//! when no registration needs them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::EngineAddress;
use crate::failure::{Failure, Stage};
use crate::oci::{Digest, sha256};
use crate::project::Project;
use crate::whole;

/// Writes down that an image is pulled, before it is: a command that is killed may have pulled it.
///
/// # Errors
/// The project's folder cannot be written.
pub(crate) fn remember(project: &Project, engine: &EngineAddress, name: &str) -> Result<(), Failure> {
    Pulled::new(project, engine, name).write()
}

/// Writes down what came of it: by a name that is no digest, another image may be meant some day.
///
/// # Errors
/// The project's folder cannot be written.
pub(crate) fn came(
    project: &Project,
    engine: &EngineAddress,
    name: &str,
    id: &Digest,
) -> Result<(), Failure> {
    let mut pulled = Pulled::new(project, engine, name);
    pulled.ids.insert(id.clone());
    pulled.write()
}

/// An image that was pulled or given, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulled {
    /// The file that says so.
    #[serde(skip)]
    pub(crate) path: PathBuf,
    /// Where the engine is.
    engine: String,
    pub(crate) name: String,
    /// The engine's IDs of it, where it came: several where a name moved, and it is not known whether it did.
    ids: BTreeSet<Digest>,
}

impl Pulled {
    fn new(project: &Project, engine: &EngineAddress, name: &str) -> Self {
        let engine = engine.to_string();
        let file = sha256(format!("{engine}\n{name}").as_bytes());
        Self {
            path: project.pulled().join(file.hex()),
            engine,
            name: name.to_owned(),
            ids: BTreeSet::new(),
        }
    }

    fn write(&self) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        whole::write(&self.path, &bytes).map_err(|error| {
            Failure::text(
                Stage::Plan,
                format!("cannot write {}: {error}", self.path.display()),
                "check its owner and the disk's space",
            )
        })
    }

    fn read(path: PathBuf) -> Option<Self> {
        let read: Self = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some(Self { path, ..read })
    }

    /// Whether it is one of these, by digest or ID.
    pub(crate) fn is_one_of(&self, images: &BTreeSet<Digest>) -> bool {
        let named = self.digest();
        named.iter().chain(&self.ids).any(|it| images.contains(it))
    }

    /// The digest by which it is named.
    fn digest(&self) -> Option<Digest> {
        self.name.split_once('@')?.1.parse().ok()
    }

    /// Whether the image that the engine means by the name now is the one that was pulled. Others are not ours: who built
    /// one of this name wants to keep it.
    pub(crate) fn is(&self, id: &Digest) -> bool {
        self.digest().is_some() || self.ids.contains(id)
    }
}

/// What is about to be given to an engine under a name that another of ours may have.
pub(crate) struct Given {
    now: Pulled,
    /// What was ours under the name before.
    before: BTreeSet<Digest>,
}

/// Writes down that an image gets a name, before it does. Until [`Given::done`] what had the name counts as ours too.
///
/// # Errors
/// The project's folder cannot be written.
pub(crate) fn give(
    project: &Project,
    engine: &EngineAddress,
    name: &str,
    id: &Digest,
) -> Result<Given, Failure> {
    let mut now = Pulled::new(project, engine, name);
    let mut before = Pulled::read(now.path.clone()).map_or_else(BTreeSet::new, |it| it.ids);
    now.ids.extend(before.iter().cloned().chain([id.clone()]));
    now.write()?;
    before.remove(id);
    now.ids = BTreeSet::from([id.clone()]);
    Ok(Given { now, before })
}

impl Given {
    /// It has the name. Gives what of ours had it before.
    ///
    /// # Errors
    /// The project's folder cannot be written.
    pub(crate) fn done(self) -> Result<BTreeSet<Digest>, Failure> {
        self.now.write()?;
        Ok(self.before)
    }
}

/// The images of an engine that are written down.
pub(crate) fn all(project: &Project, engine: &EngineAddress) -> Vec<Pulled> {
    let engine = engine.to_string();
    let entries = fs::read_dir(project.pulled()).into_iter().flatten().flatten();
    let read = entries.filter_map(|entry| Pulled::read(entry.path()));
    read.filter(|it| it.engine == engine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &std::path::Path) -> Project {
        Project {
            folder: folder.to_owned(),
            root: folder.to_owned(),
            real_root: folder.to_owned(),
            products: folder.to_owned(),
        }
    }

    #[test]
    fn only_what_was_pulled_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let (one, other) = (sha256(b"one"), sha256(b"other"));
        let [a, b] = ["/a", "/b"].map(|path| EngineAddress::Unix(path.into()));
        let only = |engine: &EngineAddress| {
            let mut all = all(&project, engine);
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0)
        };
        Pulled::new(&project, &a, "etl:dev").write().unwrap();
        assert!(!only(&a).is(&one), "it never came: who has it built it");
        let mut came = Pulled::new(&project, &a, "etl:dev");
        came.ids.insert(one.clone());
        came.write().unwrap();
        fs::write(project.pulled().join(".tmp123"), "").unwrap();
        fs::write(project.pulled().join(".tmp124"), "{\"engine\"").unwrap();
        let pulled = only(&a);
        assert_eq!((pulled.name.as_str(), pulled.digest()), ("etl:dev", None));
        assert!(pulled.is(&one) && !pulled.is(&other));
        fs::remove_file(pulled.path).unwrap();
        // A digest means one image only. Another engine's are not this one's.
        let by_digest = format!("r.io/etl@{one}");
        Pulled::new(&project, &b, &by_digest).write().unwrap();
        assert!(only(&b).is(&other) && only(&b).digest() == Some(one));
        assert_eq!(all(&project, &a), []);
    }

    #[test]
    fn a_name_that_moves_leaves_what_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let (one, two) = (sha256(b"one"), sha256(b"two"));
        let a = EngineAddress::Unix("/a".into());
        let give = |id| give(&project, &a, "etl:dev", id).unwrap();
        assert_eq!(give(&one).done().unwrap(), BTreeSet::new());
        assert_eq!(give(&one).done().unwrap(), BTreeSet::new());
        // A command that dies here leaves the name with either.
        let given = give(&two);
        let known = all(&project, &a);
        assert!(known.iter().all(|it| it.is(&one) && it.is(&two)));
        assert_eq!(given.done().unwrap(), BTreeSet::from([one.clone()]));
        assert!(all(&project, &a).iter().all(|it| !it.is(&one)));
    }
}
