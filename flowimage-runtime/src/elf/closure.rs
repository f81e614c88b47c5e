//! The shared libraries a program needs, found as its loader would find them below a root folder.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::Elf;

/// A root file system in which a loader could look: one on this machine, or that of an image. Paths are absolute,
/// links are followed inside the root.
pub trait RootFiles {
    /// What the file says of itself; `None` where there is none, or none that a loader takes.
    fn elf(&self, path: &str) -> Option<Elf>;
    /// Whether there is anything.
    fn exists(&self, path: &str) -> bool;
    /// The text of a small file that is asked for: `/etc/ld.so.conf` and what it includes.
    fn text(&self, path: &str) -> Option<String>;
    /// The names in a folder, sorted.
    fn names(&self, folder: &str) -> Vec<String>;
    /// The folders of `LD_LIBRARY_PATH` with which programs are started in this root.
    fn library_path(&self) -> &[String] {
        &[]
    }
}

/// A root file system on this machine: `/` itself, or an unpacked image. Links never lead out of it.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The root file system in a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Where an absolute path of the root lies on this machine, links followed inside the root; `None` where
    /// there is nothing.
    pub fn locate(&self, path: &str) -> Option<PathBuf> {
        let mut pending: VecDeque<String> = parts(path).collect();
        let mut found: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = pending.pop_front() {
            if part == ".." {
                found.pop();
                continue;
            }
            found.push(part);
            let here = self.0.join(found.join("/"));
            let metadata = fs::symlink_metadata(&here).ok()?;
            if metadata.is_symlink() {
                links += 1;
                if links > 40 {
                    return None;
                }
                let target = fs::read_link(&here).ok()?;
                found.pop();
                if target.is_absolute() {
                    found.clear();
                }
                for part in parts(target.to_str()?).collect::<Vec<_>>().into_iter().rev() {
                    pending.push_front(part);
                }
            }
        }
        Some(self.0.join(found.join("/")))
    }
}

impl RootFiles for Root {
    fn elf(&self, path: &str) -> Option<Elf> {
        Elf::read(&self.locate(path)?).ok()
    }

    fn exists(&self, path: &str) -> bool {
        self.locate(path).is_some()
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.locate(path)?).ok()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Some(folder) = self.locate(folder) else {
            return Vec::new();
        };
        let mut names: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> + '_ {
    Path::new(path).components().filter_map(|part| match part {
        Component::Normal(part) => part.to_str().map(str::to_owned),
        Component::ParentDir => Some("..".to_owned()),
        _ => None,
    })
}

/// A library, or a symbol version of one, that was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The library's name, `libodbc.so.2`.
    pub library: String,
    /// Who needs it: the program's or a library's name.
    pub needed_by: String,
    /// The symbol version that the library found does not provide; `None` where there is no such library.
    pub version: Option<String>,
}

/// Everything a program is loaded with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// Paths of the loader and the libraries below the root, as the loader names them, by name.
    pub libraries: BTreeMap<String, String>,
    /// What is not there.
    pub missing: Vec<Missing>,
}

/// Finds the loader and the libraries of a program below a root. `program` is its path in the root.
///
/// Source of the order: `ld.so(8)`: `DT_RPATH`, also of those that a library was loaded for; `LD_LIBRARY_PATH`;
/// `DT_RUNPATH`, which puts `DT_RPATH` out of force; the folders of `ld.so.conf`, the default ones.
///
/// A library has no loader of its own, and is loaded by a program that is at work: its loader counts as there.
pub fn closure(elf: &Elf, program: &str, root: &dyn RootFiles) -> Closure {
    let mut closure = Closure::default();
    let name = program.rsplit('/').next().unwrap_or(program).to_owned();
    let mut provided: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    if let Some(interpreter) = &elf.interpreter {
        let loader = interpreter.rsplit('/').next().unwrap_or(interpreter).to_owned();
        if root.exists(interpreter) {
            // The C library names it too; it is the one that is loaded already, not another found by search.
            if let Some(read) = root.elf(interpreter) {
                provided.insert(loader.clone(), read.provides);
            }
            asked.insert(loader.clone());
            closure.libraries.insert(loader, interpreter.clone());
        } else {
            closure.missing.push(Missing {
                library: interpreter.clone(),
                needed_by: name.clone(),
                version: None,
            });
        }
    }
    let configured = configured_folders(root);
    let defaults = default_folders(&elf.architecture);
    let mut wanted_versions: Vec<(String, String, Vec<String>)> = Vec::new();
    let mut queue = VecDeque::from([(name, program.to_owned(), elf.clone(), Vec::new())]);
    while let Some((name, path, elf, inherited)) = queue.pop_front() {
        let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        for (library, versions) in &elf.versions {
            wanted_versions.push((library.clone(), name.clone(), versions.clone()));
        }
        let own: Vec<String> = elf
            .search
            .iter()
            .map(|folder| folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
            .collect();
        // A library's own DT_RUNPATH serves itself alone; what it needs is again found by those above it.
        let (before, after, passed_on) = match elf.inherited || own.is_empty() {
            true => {
                let all = [own, inherited].concat();
                (all.clone(), Vec::new(), all)
            }
            false => (Vec::new(), own, inherited),
        };
        for needed in &elf.needed {
            if !asked.insert(needed.clone()) {
                continue;
            }
            let found = before
                .iter()
                .chain(root.library_path())
                .chain(&after)
                .chain(&configured)
                .chain(&defaults)
                .map(|folder| format!("{folder}/{needed}"))
                .find_map(|path| {
                    let read = root.elf(&path)?;
                    (read.architecture == elf.architecture).then_some((path, read))
                });
            match found {
                Some((path, read)) => {
                    provided.insert(needed.clone(), read.provides.clone());
                    closure.libraries.insert(needed.clone(), path.clone());
                    queue.push_back((needed.clone(), path, read, passed_on.clone()));
                }
                None if closure.libraries.contains_key(needed) => {}
                None => closure.missing.push(Missing {
                    library: needed.clone(),
                    needed_by: name.clone(),
                    version: None,
                }),
            }
        }
    }
    for (library, needed_by, versions) in wanted_versions {
        // A library without versions takes any, with a warning of the loader's.
        let Some(known) = provided.get(&library).filter(|known| !known.is_empty()) else {
            continue;
        };
        for version in versions {
            if !known.contains(&version) {
                closure.missing.push(Missing {
                    library: library.clone(),
                    needed_by: needed_by.clone(),
                    version: Some(version),
                });
            }
        }
    }
    closure
}

/// Where a library that a program opens by this name is found, as `dlopen` searches: a path as it stands, a name in
/// the folders of the system.
pub fn find_library(name: &str, architecture: &str, root: &dyn RootFiles) -> Option<String> {
    if name.starts_with('/') {
        return root.elf(name).map(|_| name.to_owned());
    }
    root.library_path()
        .iter()
        .cloned()
        .chain(configured_folders(root))
        .chain(default_folders(architecture))
        .map(|folder| format!("{folder}/{name}"))
        .find(|path| root.elf(path).is_some_and(|elf| elf.architecture == architecture))
}

/// The folders of `/etc/ld.so.conf` and what it includes.
fn configured_folders(root: &dyn RootFiles) -> Vec<String> {
    let mut folders = Vec::new();
    let mut pending = VecDeque::from(["/etc/ld.so.conf".to_owned()]);
    let mut seen = BTreeSet::new();
    while let Some(path) = pending.pop_front() {
        if !seen.insert(path.clone()) || seen.len() > 200 {
            continue;
        }
        for line in root.text(&path).unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(pattern) = line.strip_prefix("include ") {
                let pattern = pattern.trim();
                let (folder, file) = pattern.rsplit_once('/').unwrap_or(("/etc", pattern));
                let suffix = file.strip_prefix('*');
                for name in root.names(folder) {
                    if suffix.map_or(name == file, |suffix| name.ends_with(suffix)) {
                        pending.push_back(format!("{folder}/{name}"));
                    }
                }
            } else if line.starts_with('/') {
                folders.push(line.trim_end_matches('/').to_owned());
            }
        }
    }
    folders
}

/// The folders built into the loaders of Debian's, Fedora's and Alpine's families.
fn default_folders(architecture: &str) -> Vec<String> {
    let triplet = match architecture {
        "amd64" => "x86_64-linux-gnu",
        "arm64" => "aarch64-linux-gnu",
        "riscv64" => "riscv64-linux-gnu",
        "s390x" => "s390x-linux-gnu",
        _ => "powerpc64le-linux-gnu",
    };
    [
        format!("/lib/{triplet}"),
        format!("/usr/lib/{triplet}"),
        "/lib64".to_owned(),
        "/usr/lib64".to_owned(),
        "/lib".to_owned(),
        "/usr/lib".to_owned(),
        "/usr/local/lib".to_owned(),
    ]
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_complete_here() {
        let program = std::env::current_exe().unwrap();
        let elf = Elf::read(&program).unwrap();
        assert!(elf.newest_glibc().is_some_and(|it| it.starts_with("GLIBC_2.")) || elf.is_musl());
        let found = closure(&elf, program.to_str().unwrap(), &Root::new("/"));
        assert_eq!(found.missing, []);
        assert!(found.libraries.contains_key("libc.so.6"), "{found:?}");
        // The kernel looks for the loader at this very path.
        let interpreter = elf.interpreter.unwrap();
        assert!(
            found.libraries.values().any(|library| *library == interpreter),
            "{found:?}"
        );
    }

    /// Files by path, and the folders of `LD_LIBRARY_PATH`.
    struct Few(BTreeMap<&'static str, Elf>, Vec<String>);

    impl RootFiles for Few {
        fn elf(&self, path: &str) -> Option<Elf> {
            self.0.get(path).cloned()
        }
        fn exists(&self, path: &str) -> bool {
            self.0.contains_key(path)
        }
        fn text(&self, _: &str) -> Option<String> {
            None
        }
        fn names(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
        fn library_path(&self) -> &[String] {
            &self.1
        }
    }

    fn elf(needed: &[&str], search: &[&str], inherited: bool) -> Elf {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Elf {
            architecture: "amd64".to_owned(),
            interpreter: None,
            needed: texts(needed),
            search: texts(search),
            inherited,
            versions: BTreeMap::new(),
            provides: Vec::new(),
            executable: false,
        }
    }

    #[test]
    fn a_search_path_is_inherited_as_the_loader_does() {
        let files = [
            ("/app/lib/libb.so", elf(&["libc1.so"], &["/b"], false)),
            ("/b/libc1.so", elf(&["libd.so", "libe.so"], &[], false)),
            ("/app/lib/libd.so", elf(&[], &[], false)),
            ("/e/libe.so", elf(&[], &[], false)),
        ];
        let missing = |inherited, library_path: &[&str]| {
            let library_path = library_path.iter().map(|it| (*it).to_owned()).collect();
            let root = Few(files.clone().into(), library_path);
            let program = elf(&["libb.so"], &["$ORIGIN"], inherited);
            let found = closure(&program, "/app/lib/flow", &root);
            let found = found.missing.into_iter().map(|it| it.library);
            found.collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(missing(true, &["/e"]), none);
        assert_eq!(missing(true, &[]), ["libe.so"]);
        // DT_RUNPATH is not inherited.
        assert_eq!(missing(false, &["/e"]), ["libd.so"]);
    }

    #[test]
    fn an_empty_root_lacks_everything_and_links_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let elf = Elf::read(&program).unwrap();
        let found = closure(&elf, "/flow", &Root::new(root.path()));
        assert!(
            found
                .missing
                .iter()
                .any(|it| it.library == "libc.so.6" && it.needed_by == "flow")
        );
        std::os::unix::fs::symlink("/../../../../etc", root.path().join("out")).unwrap();
        assert_eq!(Root::new(root.path()).locate("/out/passwd"), None);
    }
}
