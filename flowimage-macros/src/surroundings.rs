//! The crate's folder, as the compiler sees it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use flowimage_model::declare::Surroundings;
use flowimage_model::names::PathKind;

/// The folder of the crate that is compiled.
pub(crate) struct CrateFolder {
    path: PathBuf,
}

impl CrateFolder {
    /// `CARGO_MANIFEST_DIR`; where that has no manifest of the user's (a generated test crate) the nearest one
    /// above the source file.
    pub(crate) fn find() -> Self {
        let declared = env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .unwrap_or_default();
        let generated = declared.components().any(|part| part.as_os_str() == "trybuild");
        let near_source = || {
            let file = proc_macro::Span::call_site().local_file()?;
            let file = fs::canonicalize(file).ok()?;
            file.ancestors()
                .skip(1)
                .find(|folder| folder.join("Cargo.toml").is_file())
                .map(Path::to_owned)
        };
        let path = if generated {
            near_source().unwrap_or(declared)
        } else {
            declared
        };
        Self { path }
    }

    /// The whole path of one as declared.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// The folder relative to its workspace's root, `/`-separated; the absolute path outside of any checkout of
    /// the user's (a dependency), where no other program will look for it elsewhere.
    ///
    /// Absolute paths in the program would make its bytes, and so the image's digest, differ from folder to folder.
    pub(crate) fn within_workspace(&self) -> String {
        let root = self
            .path
            .ancestors()
            .filter(|folder| {
                fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| {
                    text.lines()
                        .any(|line| line.trim_start().starts_with("[workspace"))
                })
            })
            .last();
        let relative = match root {
            Some(root) => self.path.strip_prefix(root).unwrap_or(&self.path),
            None => Path::new(""),
        };
        relative.to_string_lossy().into_owned()
    }
}

impl Surroundings for CrateFolder {
    fn kind(&self, path: &str) -> Option<PathKind> {
        let metadata = fs::metadata(self.resolve(path)).ok()?;
        Some(if metadata.is_dir() {
            PathKind::Folder
        } else {
            PathKind::File
        })
    }

    fn text(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.resolve(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
            std::io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
            _ => error.to_string(),
        })
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.resolve(folder)) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}
