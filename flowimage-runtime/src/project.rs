//! Where the project lies on this machine: the folder of each flow's crate, of the catalog, of build products.
//!
//! None of it is in the program's bytes, which would otherwise differ from folder to folder. It is found from
//! where cargo says it runs, where the program lies and where the command was given.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::flow::FlowEntry;
use crate::oci::sha256;

/// The project of the running program.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of the crate that declares the flow: where the declaration's paths begin.
    pub folder: PathBuf,
    /// Root of the workspace: the catalog's folder.
    pub root: PathBuf,
    /// The same without links: what the project is told by from others.
    pub(crate) real_root: PathBuf,
    /// `target/flowimage` or its like: caches and the layout.
    pub products: PathBuf,
}

/// A crate that cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot find the folder of package `{package}`, which declares the flow `{flow}`")]
pub struct CrateNotFound {
    /// The package.
    pub package: String,
    /// The flow.
    pub flow: String,
}

impl crate::Advise for CrateNotFound {
    fn advice(&self) -> Option<String> {
        Some("run the command with `cargo run`, or from inside the project's folder".into())
    }
}

impl Project {
    /// The project that a flow's crate belongs to.
    ///
    /// # Errors
    /// The crate's folder cannot be found.
    pub fn of(entry: &FlowEntry) -> Result<Self, CrateNotFound> {
        let folder = crate_folder(entry)?;
        let depth = Path::new(entry.crate_folder).components().count();
        let inside = !Path::new(entry.crate_folder).is_absolute();
        let root = folder
            .ancestors()
            .nth(if inside { depth } else { 0 })
            .unwrap_or(folder.as_path())
            .to_owned();
        let program = env::current_exe().unwrap_or_default();
        let target = program
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").is_file())
            .map_or_else(|| root.join("target"), Path::to_owned);
        Ok(Self {
            folder,
            real_root: fs::canonicalize(&root).unwrap_or_else(|_| root.clone()),
            root,
            products: target.join("flowimage"),
        })
    }

    /// The layout that images are kept in.
    pub fn layout(&self) -> PathBuf {
        self.products.join("images")
    }

    /// The index of the files that images are made of.
    pub fn files(&self) -> PathBuf {
        self.products.join("files")
    }

    /// Where is written down what registered images were made of.
    pub fn registered(&self) -> PathBuf {
        self.products.join("registered")
    }

    /// What stands for a registration in the names of those files: their hash.
    pub(crate) fn details_key(flow: &str, target: &str) -> String {
        format!("{flow} {target}")
    }

    /// Where is written down which image was built last of each flow.
    pub fn built(&self) -> PathBuf {
        self.products.join("built")
    }

    /// What was read from the layers of bases.
    pub fn bases(&self) -> PathBuf {
        self.products.join("bases")
    }

    /// Where is written down which environments were built.
    pub fn environments(&self) -> PathBuf {
        self.products.join("environments")
    }

    /// Where is written down which projects share these products, as they do with one `CARGO_TARGET_DIR`.
    pub fn sharers(&self) -> PathBuf {
        self.products.join("projects")
    }

    /// Where is written down which images the engine pulled for a command.
    #[cfg(feature = "engine")]
    pub(crate) fn pulled(&self) -> PathBuf {
        self.products.join("pulled")
    }

    /// What layers of images were made of.
    pub fn layers(&self) -> PathBuf {
        self.products.join("layers")
    }

    /// What layers of images hold, for the health checks.
    pub fn layers_seen(&self) -> PathBuf {
        self.products.join("layers-seen")
    }

    /// Images unpacked for a sandbox, as long as it lasts.
    pub fn roots(&self) -> PathBuf {
        self.products.join("roots")
    }

    /// Writes this project down among those that share the products.
    pub fn share(&self) {
        let path = self.sharers().join(self.mark());
        let bytes = self.real_root.as_os_str().as_encoded_bytes();
        if fs::read(&path).is_ok_and(|known| known == bytes) {
            return;
        }
        // Where it cannot be written, the products cannot either.
        let _ = fs::create_dir_all(self.sharers()).and_then(|()| {
            let file = tempfile::NamedTempFile::new_in(&self.products)?;
            fs::write(file.path(), bytes)?;
            file.persist(&path).map_err(|error| error.error).map(drop)
        });
    }

    /// Opens a file that processes lock as a sign of what they are at. `None` where the folder cannot be written; then
    /// nothing can be known of other processes.
    pub fn sign(&self, name: &str) -> Option<fs::File> {
        fs::create_dir_all(&self.products).ok()?;
        let path = self.products.join(name);
        fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .ok()
    }

    /// What marks this project's things in an engine: 16 hexadecimal digits of its folder's hash.
    pub fn mark(&self) -> String {
        sha256(self.real_root.as_os_str().as_encoded_bytes()).hex()[..16].to_owned()
    }
}

/// The folder of the crate that declares a flow.
///
/// # Errors
/// No folder holds a `Cargo.toml` of that package.
fn crate_folder(entry: &FlowEntry) -> Result<PathBuf, CrateNotFound> {
    let of_cargo = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let program = env::current_exe().ok();
    let here = env::current_dir().ok();
    let relative = Path::new(entry.crate_folder);
    [of_cargo, here, program]
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(relative))
        .find(|folder| is_package(folder, entry.package))
        .ok_or_else(|| CrateNotFound {
            package: entry.package.to_owned(),
            flow: entry.name.to_owned(),
        })
}

fn is_package(folder: &Path, package: &str) -> bool {
    let Ok(text) = fs::read_to_string(folder.join("Cargo.toml")) else {
        return false;
    };
    let Ok(manifest) = toml::from_str::<toml::Table>(&text) else {
        return false;
    };
    manifest
        .get("package")
        .and_then(|it| it.get("name"))
        .and_then(toml::Value::as_str)
        == Some(package)
}
