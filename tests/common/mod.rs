//! A project of its own for a test: the example's sources and program, in a folder that goes away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) struct Project {
    folder: tempfile::TempDir,
}

#[allow(dead_code, reason = "not every test binary does all of it")]
impl Project {
    /// Copies what the example declares, and the example itself, so that nothing of the checkout is written.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in [
            "Cargo.toml",
            "examples/data/airlines.csv",
            "examples/data/flights.csv",
            "examples/data/weather.csv",
            "examples/data/README.md",
            "examples/config/airports.toml",
        ] {
            let target = folder.path().join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(root.join(file), target).unwrap();
        }
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::write(folder.path().join("target/CACHEDIR.TAG"), "").unwrap();
        // A link: a copy that another test's child still holds open for writing could not be run.
        fs::hard_link(example("register"), folder.path().join("target/register")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What marks the project's things in an engine.
    pub(crate) fn mark(&self) -> String {
        let root = self.folder.path().canonicalize().unwrap();
        flowimage_runtime::oci::sha256(root.as_os_str().as_encoded_bytes()).hex()[..16].to_owned()
    }

    /// Runs the example's program in the project, with no engine in reach.
    #[allow(dead_code, reason = "not every test file uses all of this")]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("target/register"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// The JSON lines of a command, by flow, and its exit status.
    #[allow(dead_code, reason = "not every test file uses all of this")]
    pub(crate) fn json(&self, arguments: &[&str]) -> (Vec<Value>, i32) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (lines, output.status.code().unwrap())
    }
}

/// An example's program, built by cargo with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    products().join("examples").join(name)
}

/// A program of the package `test-flows`.
#[allow(dead_code, reason = "not every test binary registers one")]
pub(crate) fn program(name: &str) -> PathBuf {
    products().join(name)
}

/// Where cargo puts what it builds in this profile.
fn products() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().to_owned()
}
