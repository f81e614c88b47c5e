//! Nothing unhealthy is pushed or registered, whatever is killed or swapped while it is checked.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::at_hand::{doubtful, say};
use crate::test_flow::{TestFlow, outcome};
use crate::{docker, setting};

/// The flow `doubtful`, and where its images would go.
struct Doubtful {
    flow: TestFlow,
    repository: String,
}

impl Doubtful {
    fn new(name: &str, verdict: &str) -> Self {
        Self {
            flow: doubtful(verdict, &setting("DOCKER_HOST")),
            repository: format!("doubtful/{name}-{}", std::process::id()),
        }
    }

    fn register(&self) -> Command {
        let registry = format!("{}/{}", setting("FLOWIMAGE_TEST_REGISTRY"), self.repository);
        self.flow.command(&["register", "--registry", &registry])
    }

    /// Starts a command, and waits until the image is being checked.
    fn until_checked(command: &mut Command) -> Child {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let limit = Instant::now() + Duration::from_secs(120);
        while containers_of(&child, false).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended unseen");
            assert!(Instant::now() < limit, "it was never checked");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// Whether the registry knows an image of the flow, under any tag.
    fn is_pushed(&self) -> bool {
        let image = format!(
            "docker://{}/{}/doubtful",
            setting("FLOWIMAGE_TEST_REGISTRY"),
            self.repository
        );
        let asked = Command::new("skopeo")
            .args(["list-tags", "--tls-verify=false", &image])
            .output()
            .unwrap();
        let tags: Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&asked.stderr);
        assert!(
            asked.status.success() || said.contains("404 (Not Found)"),
            "{said}"
        );
        tags["Tags"].as_array().is_some_and(|tags| !tags.is_empty())
    }

    fn is_registered(&self) -> bool {
        self.flow.root().join("flowimage.lock").exists()
    }

    /// The layers of the layout that are files of this image.
    fn layers(&self) -> Vec<PathBuf> {
        let blobs = self.flow.root().join("target/flowimage/images/blobs/sha256");
        let mut layers: Vec<_> = fs::read_dir(blobs)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| fs::read(path).unwrap().starts_with(&[0x1f, 0x8b]))
            .collect();
        layers.sort();
        layers
    }
}

/// The containers in which a process checks an image: those that run, or `all`.
fn containers_of(process: &Child, all: bool) -> Vec<String> {
    let format = r#"{{.ID}} {{.Label "dev.flowimage.owner"}}"#;
    let all = if all { "--all" } else { "--all=false" };
    let all = docker(&["ps", all, "--format", format]);
    let owner = format!("{}-", process.id());
    all.lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, of)| of.starts_with(&owner))
        .map(|(id, _)| id.to_owned())
        .collect()
}

fn refused(line: &Value, stage: &str, words: &str) {
    assert_eq!(
        (line["status"].as_str(), line["error"]["stage"].as_str()),
        (Some("failed"), Some(stage)),
        "{line:#}"
    );
    let message = line["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{line:#}");
}

#[test]
fn a_killed_check_leaves_what_is_unhealthy_where_it_is() {
    let flow = Doubtful::new("killed", "ill");
    let mut child = Doubtful::until_checked(&mut flow.register());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!flow.is_pushed() && !flow.is_registered());
    // The next command begins at the check, and takes away the container that the dead one left.
    let ended = flow.register().output().unwrap();
    refused(&outcome(&ended), "check", "the verdict is ill");
    assert!(containers_of(&child, true).is_empty());
    assert!(!flow.is_pushed() && !flow.is_registered());
    // A container killed under the check is no pass either.
    let child = Doubtful::until_checked(&mut flow.register());
    for container in containers_of(&child, false) {
        docker(&["kill", &container]);
    }
    let ended = child.wait_with_output().unwrap();
    refused(&outcome(&ended), "check", "");
    assert!(!flow.is_pushed() && !flow.is_registered());
    // All was due to the verdict: the same flow, healthy, is pushed.
    say(&flow.flow, "healthy");
    let line = outcome(&flow.register().output().unwrap());
    assert_eq!(line["status"], "registered", "{line:#}");
    assert!(flow.is_pushed() && flow.is_registered());
}

#[test]
fn an_image_swapped_between_check_and_push_is_refused() {
    for to in ["registry", "layout"] {
        let flow = Doubtful::new(&format!("swapped-in-{to}"), "healthy");
        let mut register = match to {
            "registry" => flow.register(),
            _ => flow.flow.command(&["register"]),
        };
        let child = Doubtful::until_checked(&mut register);
        // Other bytes of the same length: what was checked is not what would be pushed.
        let layer = flow.layers().remove(0);
        let mut bytes = fs::read(&layer).unwrap();
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        fs::write(&layer, bytes).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        refused(
            &outcome(&ended),
            "publish",
            "was changed after the image was checked",
        );
        assert!(!flow.is_pushed() && !flow.is_registered(), "{to}");
        // As the message says: the file is deleted, and made anew.
        fs::remove_file(&layer).unwrap();
        let line = outcome(&register.output().unwrap());
        assert_eq!(line["status"], "registered", "{line:#}");
    }
}
