//! For build scripts of crates with flows.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Has cargo compile the crate again whenever something that its declarations lean on appears, goes or changes.
///
/// The compiler itself follows the Dockerfile and the `flowimage.toml` that a flow was read with. This covers what
/// was not there then: a first `flowimage.toml`, a declared file that became a folder. Without it nothing wrong is
/// built either: every command refuses a program that is stale, and says how to compile it again.
///
/// Call it from `build.rs`, with `flowimage = { version = "…", default-features = false }` below
/// `[build-dependencies]`:
///
/// ```no_run
/// flowimage::build::track();
/// ```
///
/// Everything beside `Cargo.toml` is watched, but hidden folders and the one that cargo builds into; where that lies
/// in the crate's own folder, a new file directly beside `Cargo.toml` is not seen, since cargo watches folders only
/// with all that is in them. Nor is a first `flowimage.toml` at the workspace's root.
pub fn track() {
    let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let products = env::var_os("OUT_DIR").map(PathBuf::from);
    let (Some(folder), Some(products)) = (folder, products) else {
        // Not called by cargo: nobody listens.
        return;
    };
    let mut out = io::stdout().lock();
    for path in watched(&folder, &products) {
        let _ = writeln!(out, "cargo::rerun-if-changed={}", path.display());
    }
}

/// What cargo shall watch: folders count with all that is in them.
fn watched(folder: &Path, products: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = folder
        .ancestors()
        .skip(1)
        .map(|above| above.join(flowimage_model::settings::FILE))
        .filter(|path| path.is_file())
        .collect();
    if !products.starts_with(folder) {
        paths.push(folder.to_owned());
        return paths;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    paths.extend(entries.map(|entry| entry.path()).filter(|path| {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !(products.starts_with(path) || hidden && path.is_dir())
    }));
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_the_crate_but_not_what_cargo_builds() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("member");
        for path in ["member/src", "member/data", "member/.git", "member/target/out"] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        for path in ["flowimage.toml", "member/Cargo.toml", "member/.dockerignore"] {
            fs::write(root.path().join(path), "").unwrap();
        }
        let names = |products: &str| -> Vec<_> {
            watched(&folder, &root.path().join(products))
                .iter()
                .map(|path| {
                    path.strip_prefix(root.path())
                        .unwrap()
                        .to_string_lossy()
                        .into_owned()
                })
                .collect()
        };
        assert_eq!(names("target/out"), ["flowimage.toml", "member"]);
        assert_eq!(
            names("member/target/out"),
            [
                "flowimage.toml",
                "member/.dockerignore",
                "member/Cargo.toml",
                "member/data",
                "member/src"
            ]
        );
    }
}
