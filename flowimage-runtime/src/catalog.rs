//! `flowimage.lock`: what is registered of each flow, by target, and the digests that bases are pinned to. Written
//! whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::advice::Advise;
use crate::oci::Digest;

/// The version of the file's form that this flowimage reads and writes.
const VERSION: u32 = 1;

/// The catalog's name in its folder.
const NAME: &str = "flowimage.lock";

/// How the names of files begin that become the catalog.
const TEMPORARY: &str = ".flowimage.lock-";

/// Whether a file of this name is the catalog, or becomes it.
#[cfg(feature = "engine")]
pub(crate) fn is_catalog(name: &str) -> bool {
    name == NAME || name.starts_with(TEMPORARY)
}

/// One registration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// The image's digest: that of its manifest.
    pub digest: Digest,
    /// The digest of its configuration.
    pub image_id: Digest,
    /// The image's identity: the hash of all that decided its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Digest>,
    /// The registration's identity: the hash of the image and of what only the orchestrator sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Digest>,
    /// The hash of what the health checks were; nothing where they were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Digest>,
    /// The tag that was moved to the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Fields of newer versions, kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, toml::Value>,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    version: u32,
    /// By flow, then by target.
    #[serde(default)]
    flow: BTreeMap<String, BTreeMap<String, Registration>>,
    /// By reference, then by platform.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    base: BTreeMap<String, BTreeMap<String, Digest>>,
    #[serde(flatten)]
    other: BTreeMap<String, toml::Value>,
}

impl Content {
    /// What is registered of a flow at a target.
    pub(crate) fn registration(&self, flow: &str, target: &str) -> Option<&Registration> {
        self.flow.get(flow)?.get(target)
    }

    /// The digest that a base is pinned to.
    pub(crate) fn pin(&self, reference: &str, platform: &str) -> Option<&Digest> {
        self.base.get(reference)?.get(platform)
    }
}

/// Why the catalog could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The file.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No catalog of this version.
    #[error("{} cannot be used: {reason}", path.display())]
    Form {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Advise for CatalogError {
    fn advice(&self) -> Option<String> {
        match self {
            CatalogError::File { doing: "write", .. } => Some(
                "nothing was registered; make the file and its folder writable and run the command again"
                    .into(),
            ),
            CatalogError::File { .. } => None,
            CatalogError::Form { .. } => Some(
                "restore it from version control, or delete it: the flows are then registered anew".into(),
            ),
        }
    }
}

/// The catalog of a project.
#[derive(Clone, Debug)]
pub struct Catalog {
    path: PathBuf,
}

impl Catalog {
    /// The catalog in a project's folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join(NAME),
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is registered of a flow at a target.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, flow: &str, target: &str) -> Result<Option<Registration>, CatalogError> {
        Ok(self.read()?.registration(flow, target).cloned())
    }

    /// Everything registered, by flow, then by target.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, BTreeMap<String, Registration>>, CatalogError> {
        Ok(self.read()?.flow)
    }

    /// The digests that bases are pinned to.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pins(&self) -> Result<Vec<Digest>, CatalogError> {
        let bases = self.read()?.base;
        Ok(bases.into_values().flat_map(BTreeMap::into_values).collect())
    }

    /// Whether the file could be written now; asked before work that would be lost.
    ///
    /// # Errors
    /// Why not.
    pub fn check_writable(&self) -> Result<(), CatalogError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        tempfile::tempfile_in(folder).map_err(|error| self.failed("write", error))?;
        Ok(())
    }

    /// Puts a registration in its place, and what bases are pinned to, by reference and platform. Others, of this or
    /// another process, are kept, and so are fields of newer versions in the one that is replaced.
    ///
    /// # Errors
    /// The file cannot be read or written; it is then as it was.
    pub fn put(
        &self,
        flow: &str,
        target: &str,
        registration: Registration,
        pins: Vec<(String, String, Digest)>,
    ) -> Result<(), CatalogError> {
        self.change(|content| {
            let targets = content.flow.entry(flow.to_owned()).or_default();
            let mut registration = registration;
            if let Some(replaced) = targets.remove(target) {
                for (field, value) in replaced.other {
                    registration.other.entry(field).or_insert(value);
                }
            }
            targets.insert(target.to_owned(), registration);
            for (reference, platform, digest) in pins {
                let platforms = content.base.entry(reference).or_default();
                platforms.insert(platform, digest);
            }
        })
    }

    /// The digest that a base is pinned to: that of its manifest for the platform (`linux/amd64`).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn base(&self, reference: &str, platform: &str) -> Result<Option<Digest>, CatalogError> {
        Ok(self.read()?.pin(reference, platform).cloned())
    }

    /// Pins a base. A pin that is there is replaced: only who was told to refresh bases may call this for one.
    ///
    /// # Errors
    /// The file cannot be read or written; it is then as it was.
    pub fn put_base(&self, reference: &str, platform: &str, digest: Digest) -> Result<(), CatalogError> {
        self.change(|content| {
            let platforms = content.base.entry(reference.to_owned()).or_default();
            platforms.insert(platform.to_owned(), digest);
        })
    }

    /// One process at a time reads, changes and replaces the file. What is the same afterwards is not written.
    fn change(&self, change: impl FnOnce(&mut Content)) -> Result<(), CatalogError> {
        let _lock = self.lock()?;
        let before = self.read()?;
        let mut content = before.clone();
        change(&mut content);
        if content == before && self.path.exists() {
            return Ok(());
        }
        let text = toml::to_string(&content).map_err(|error| CatalogError::Form {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        let text = format!("# Written by flowimage. Keep it in version control.\n{text}");
        self.replace(text.as_bytes())
            .map_err(|error| self.failed("write", error))
    }

    /// The new file is on the disk before it has the old one's name, and has the name before this returns.
    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    /// The file as it is now.
    pub(crate) fn read(&self) -> Result<Content, CatalogError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Content {
                    version: VERSION,
                    flow: BTreeMap::new(),
                    base: BTreeMap::new(),
                    other: BTreeMap::new(),
                });
            }
            Err(error) => return Err(self.failed("read", error)),
        };
        let refused = |reason: String| CatalogError::Form {
            path: self.path.clone(),
            reason,
        };
        let table: toml::Table = toml::from_str(&text).map_err(|error| refused(error.to_string()))?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(version) if version == i64::from(VERSION) => {}
            Some(version) => {
                return Err(refused(format!(
                    "it has version {version}, this flowimage knows version {VERSION}"
                )));
            }
            None => return Err(refused("it names no version".to_owned())),
        }
        toml::from_str(&text).map_err(|error| refused(error.to_string()))
    }

    fn lock(&self) -> Result<File, CatalogError> {
        // Beside the catalog, not the catalog itself: that is replaced.
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let lock = || {
            let file = File::open(folder)?;
            file.lock()?;
            Ok(file)
        };
        let lock = lock().map_err(|error| self.failed("write", error))?;
        self.remove_leftovers(folder);
        Ok(lock)
    }

    /// What a process that was killed while it wrote has left: who holds the lock is the only one who writes.
    fn remove_leftovers(&self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(TEMPORARY.as_bytes())
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> CatalogError {
        CatalogError::File {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::sha256;

    fn registration(text: &str) -> Registration {
        Registration {
            digest: sha256(text.as_bytes()),
            image_id: sha256(b"id"),
            identity: Some(sha256(b"identity")),
            registration: None,
            checks: None,
            tag: None,
            other: BTreeMap::new(),
        }
    }

    #[test]
    fn targets_do_not_overwrite_each_other_and_unknown_fields_survive() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::in_folder(folder.path());
        catalog.put("a", "one", registration("1"), Vec::new()).unwrap();
        catalog.put("a", "two", registration("2"), Vec::new()).unwrap();
        let text = fs::read_to_string(catalog.path()).unwrap();
        fs::write(catalog.path(), text.replace("image_id", "newer = 7\nimage_id")).unwrap();
        catalog.put("b", "one", registration("3"), Vec::new()).unwrap();
        assert_eq!(catalog.get("a", "one").unwrap().unwrap().digest, sha256(b"1"));
        assert_eq!(
            catalog.get("a", "two").unwrap().unwrap().other["newer"],
            toml::Value::Integer(7)
        );
        assert_eq!(catalog.get("c", "one").unwrap(), None);
    }

    #[test]
    fn processes_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let catalog = Catalog::in_folder(folder.path());
                scope.spawn(move || {
                    catalog
                        .put(&format!("flow-{number}"), "t", registration("x"), Vec::new())
                        .unwrap()
                });
            }
        });
        assert_eq!(Catalog::in_folder(folder.path()).all().unwrap().len(), 8);
    }

    #[test]
    fn bases_are_pinned_by_reference_and_platform() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::in_folder(folder.path());
        let debian = "docker.io/library/debian:bookworm-slim";
        catalog.put_base(debian, "linux/amd64", sha256(b"1")).unwrap();
        catalog.put_base(debian, "linux/arm64", sha256(b"2")).unwrap();
        catalog.put("a", "one", registration("1"), Vec::new()).unwrap();
        assert_eq!(catalog.base(debian, "linux/amd64").unwrap(), Some(sha256(b"1")));
        assert_eq!(catalog.base(debian, "linux/s390x").unwrap(), None);
        assert_eq!(catalog.base("alpine", "linux/amd64").unwrap(), None);
        catalog.put_base(debian, "linux/amd64", sha256(b"3")).unwrap();
        assert_eq!(catalog.base(debian, "linux/amd64").unwrap(), Some(sha256(b"3")));
        assert!(catalog.get("a", "one").unwrap().is_some());
    }

    #[test]
    fn another_version_is_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::in_folder(folder.path());
        fs::write(catalog.path(), "version = 9\n").unwrap();
        let error = catalog.put("a", "t", registration("1"), Vec::new()).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
        assert_eq!(fs::read_to_string(catalog.path()).unwrap(), "version = 9\n");
    }
}
