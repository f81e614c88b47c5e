//! What benches share: crates that are written, compiled and measured, and the median.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate below `target/`, in a workspace and a target folder of its own.
pub(crate) struct SmallCrate {
    name: String,
    folder: PathBuf,
}

impl SmallCrate {
    /// Its manifest ends in `rest`, where `ROOT` is this repository's folder; the versions are those of the workspace.
    pub(crate) fn new(group: &str, name: &str, rest: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(group).join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let rest = rest.replace("ROOT", root.to_str().unwrap());
        let manifest = format!(
            "[package]\nname = \"bench-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n{rest}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        // No look at the network either.
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        Self {
            name: name.to_owned(),
            folder,
        }
    }

    /// A file of it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What `cargo build --release` makes of it.
    pub(crate) fn program(&self) -> PathBuf {
        self.path("target/release").join(format!("bench-{}", self.name))
    }

    /// Removes all that was compiled.
    pub(crate) fn clean(&self) {
        self.cargo(&["clean", "--quiet", "--offline"]);
    }

    /// Crates that are compiled for it, itself left out.
    pub(crate) fn dependencies(&self) -> usize {
        let tree = self.cargo(&[
            "tree",
            "--offline",
            "--prefix=none",
            "--edges=normal,build",
            "--no-dedupe",
        ]);
        let mut names: Vec<_> = tree.lines().skip(1).filter(|line| !line.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// What cargo prints; that it succeeds is seen to.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> String {
        self.run(Command::new(env!("CARGO")).args(arguments))
    }

    /// The same of any program, in the crate's folder.
    pub(crate) fn run(&self, command: &mut Command) -> String {
        let output = command
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            // Empty, not absent: else flags of cargo's configuration are taken.
            .env("RUSTFLAGS", "")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            self.folder.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// User and system time of all processes waited for so far, from fields 16 and 17 of `/proc/self/stat`, in seconds.
pub(crate) fn children_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = &stat[stat.rfind(')').unwrap() + 2..];
    let fields: Vec<f64> = after_name
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(|field| field.parse().unwrap())
        .collect();
    (fields[0] + fields[1]) / TICKS_PER_SECOND
}

/// The middle one of several.
pub(crate) fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    values[values.len() / 2]
}
