//! Builders, asked by their own command line.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A setting of the test environment. Without it nothing here is proved.
pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `./test engine`"))
}

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Builder {
    BuildKit,
    Classic,
    Podman,
}

impl Builder {
    pub(crate) const ALL: [Self; 3] = [Self::BuildKit, Self::Classic, Self::Podman];

    fn command(self, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Podman => {
                let mut podman = Command::new("podman");
                podman.args(["--remote", "--url", &setting("FLOWIMAGE_TEST_PODMAN")]);
                podman
            }
            // The client of the tests' own packages: another one may lack its BuildKit plugin.
            _ => Command::new("/usr/bin/docker"),
        };
        let buildkit = if self == Self::BuildKit { "1" } else { "0" };
        command.env("DOCKER_HOST", setting("DOCKER_HOST"));
        command.env("DOCKER_BUILDKIT", buildkit).args(arguments);
        command
    }

    pub(crate) fn run(self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} {arguments:?}: {said}");
        output.stdout
    }

    /// Builds a folder into an image of this name.
    pub(crate) fn build(self, folder: &Path, name: &str) {
        self.run(&["build", "-q", "--no-cache", "-t", name, folder.to_str().unwrap()]);
    }

    /// The configuration of an image.
    pub(crate) fn configuration(self, name: &str) -> serde_json::Value {
        let json = self.run(&["image", "inspect", name]);
        let mut list: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
        list.remove(0)["Config"].take()
    }

    /// The paths of all files of an image, folders aside.
    pub(crate) fn files(self, name: &str) -> BTreeSet<String> {
        let container = String::from_utf8(self.run(&["create", name, "/none"])).unwrap();
        let bytes = self.run(&["export", container.trim()]);
        self.run(&["rm", container.trim()]);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut files = BTreeSet::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            if entry.header().entry_type().is_file() {
                files.insert(entry.path().unwrap().to_str().unwrap().to_owned());
            }
        }
        files
    }

    pub(crate) fn remove(self, name: &str) {
        self.run(&["rmi", "-f", name]);
    }
}
