//! Programs of the package `test-flows`, each in a project of its own.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common;

/// A program of the package `test-flows`, in a project folder of its own.
pub(crate) struct TestFlow {
    folder: tempfile::TempDir,
    program: &'static str,
    engine: String,
}

impl TestFlow {
    pub(crate) fn new(program: &'static str, engine: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(
            folder.path().join("Cargo.toml"),
            "[package]\nname = \"test-flows\"\n",
        )
        .unwrap();
        std::fs::create_dir_all(folder.path().join("target")).unwrap();
        std::fs::write(folder.path().join("target/CACHEDIR.TAG"), "").unwrap();
        let copy = folder.path().join("target").join(program);
        std::fs::hard_link(common::program(program), &copy).unwrap();
        // The crate lies two folders below its workspace.
        let package = folder.path().join("tests/flows");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::rename(folder.path().join("Cargo.toml"), package.join("Cargo.toml")).unwrap();
        Self {
            folder,
            program,
            engine: engine.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// What marks the project's things in the engine.
    pub(crate) fn mark(&self) -> String {
        let root = self.root().canonicalize().unwrap();
        flowimage_runtime::oci::sha256(root.as_os_str().as_encoded_bytes()).hex()[..16].to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.root().join("target").join(self.program));
        command
            .args(arguments)
            .arg("--json")
            .current_dir(self.root())
            .env("DOCKER_HOST", &self.engine)
            .env_remove("CARGO_MANIFEST_DIR");
        command
    }

    /// The program with other code, as another file: a text in it is another one of the same length.
    pub(crate) fn changed(&self, one: &str, two: &str) -> String {
        assert_eq!(one.len(), two.len());
        let other = self.root().join("target/other");
        let mut bytes = std::fs::read(self.root().join("target").join(self.program)).unwrap();
        let mut windows = bytes.windows(one.len());
        let at = windows.position(|window| window == one.as_bytes()).unwrap();
        bytes[at..at + one.len()].copy_from_slice(two.as_bytes());
        std::fs::write(&other, bytes).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&other, mode).unwrap();
        other.to_str().unwrap().to_owned()
    }

    /// Copies files of the package, which its flows declare, into the project.
    pub(crate) fn copy(&self, folder: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/flows")
            .join(folder);
        let to = self.root().join("tests/flows").join(folder);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// The last line of a command: what became of its only flow.
pub(crate) fn outcome(output: &std::process::Output) -> Value {
    let lines = String::from_utf8_lossy(&output.stdout);
    let last = lines.lines().last().unwrap_or_else(|| {
        panic!(
            "it printed nothing on stdout: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    serde_json::from_str(last).unwrap()
}
