//! The crate's folder and `flowimage.toml`, as the compiler sees them.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flowimage_model::declare::Surroundings;
use flowimage_model::names::PathKind;
use flowimage_model::settings::{FILE, Settings};
use flowimage_model::tree::{Findings, Mistake};
use proc_macro2::Span;

use crate::place::Place;

/// The folder of the crate that is compiled.
pub(crate) struct CrateFolder {
    path: PathBuf,
    /// Files whose text a declaration was made of.
    read: RefCell<Vec<PathBuf>>,
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
        Self {
            path,
            read: RefCell::default(),
        }
    }

    /// The files whose text was asked for: Dockerfile and ignore file.
    pub(crate) fn read(&self) -> Vec<PathBuf> {
        self.read.borrow().clone()
    }

    /// The whole path of one as declared.
    fn resolve(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// The folder relative to its workspace's root, `/`-separated; the absolute path outside of any checkout of
    /// the user's (a dependency), where no other program will look for it elsewhere.
    ///
    /// Absolute paths in the program would make its bytes, and so the image's digest, differ from folder to folder.
    pub(crate) fn within_workspace(&self) -> String {
        let root = self.workspace_root();
        let relative = match &root {
            Some(root) => self.path.strip_prefix(root).unwrap_or(&self.path),
            None => Path::new(""),
        };
        relative.to_string_lossy().into_owned()
    }

    /// The topmost folder above with a workspace.
    fn workspace_root(&self) -> Option<PathBuf> {
        thread_local! {
            // A compiler's process has one crate, an editor's many: the last one asked for is remembered.
            static LAST: RefCell<(PathBuf, Option<PathBuf>)> = RefCell::default();
        }
        LAST.with_borrow_mut(|(path, root)| {
            if *path != self.path {
                *root = search_workspace(&self.path);
                path.clone_from(&self.path);
            }
            root.clone()
        })
    }
}

fn search_workspace(folder: &Path) -> Option<PathBuf> {
    let declares = |folder: &&Path| {
        fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| {
            text.lines()
                .any(|line| line.trim_start().starts_with("[workspace"))
        })
    };
    folder.ancestors().filter(declares).last().map(Path::to_owned)
}

/// `flowimage.toml`, where there is one.
pub(crate) struct SettingsFile {
    /// Its path.
    pub(crate) path: Option<PathBuf>,
    /// What it says of declarations.
    pub(crate) settings: Settings<Place>,
}

impl SettingsFile {
    /// Reads the file beside the crate's `Cargo.toml`, else the one at the workspace's root. `token` is where messages
    /// point at.
    pub(crate) fn read(folder: &CrateFolder, token: Span, findings: &mut Findings<Place>) -> Self {
        let place = |position| Place {
            span: token,
            file: Some(position),
        };
        let folders = [Some(folder.path.clone()), folder.workspace_root()];
        for path in folders.into_iter().flatten().map(|folder| folder.join(FILE)) {
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    let message = format!("{} cannot be read: {error}", path.display());
                    findings.mistake(Mistake::new(token.into(), message));
                    break;
                }
            };
            let (settings, found) = Settings::read(&text);
            findings.extend(found.map(&place));
            return Self {
                path: Some(path),
                settings: settings.declarations(&place),
            };
        }
        Self {
            path: None,
            settings: Settings::default(),
        }
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
        let path = self.resolve(path);
        self.read.borrow_mut().push(path.clone());
        fs::read_to_string(path).map_err(|error| match error.kind() {
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
