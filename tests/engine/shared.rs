//! Flows that share an environment, counted at the engine's door.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::setting;
use crate::test_flow::TestFlow;

/// A socket in front of the engine that counts the builds asked for.
struct Door {
    folder: tempfile::TempDir,
    builds: Arc<AtomicUsize>,
}

impl Door {
    fn new() -> Self {
        let engine = setting("DOCKER_HOST");
        let engine = engine
            .strip_prefix("unix://")
            .expect("an engine on a socket")
            .to_owned();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("door.sock")).unwrap();
        let builds = Arc::new(AtomicUsize::new(0));
        let counted = builds.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(engine) = UnixStream::connect(&engine) else {
                    continue;
                };
                let back = (engine.try_clone().unwrap(), client.try_clone().unwrap());
                let counted = counted.clone();
                std::thread::spawn(move || {
                    carry(client, engine, &|first| {
                        counted.fetch_add(asks(first), Ordering::SeqCst)
                    })
                });
                std::thread::spawn(move || carry(back.0, back.1, &|_| 0));
            }
        });
        Self { folder, builds }
    }

    fn address(&self) -> String {
        format!("unix://{}/door.sock", self.folder.path().display())
    }

    /// How many builds were asked for since the last time.
    fn builds(&self) -> usize {
        self.builds.swap(0, Ordering::SeqCst)
    }
}

/// 1 for the first bytes of a request to build. Each request has a connection of its own.
fn asks(first: &[u8]) -> usize {
    let text = String::from_utf8_lossy(first);
    let path = text
        .strip_prefix("POST ")
        .and_then(|rest| rest.split([' ', '?']).next());
    usize::from(path.is_some_and(|path| path.ends_with("/build")))
}

/// Copies one direction until its end, and passes the end on.
fn carry(mut from: UnixStream, mut to: UnixStream, first: &dyn Fn(&[u8]) -> usize) {
    let mut buffer = vec![0; 64 << 10];
    let mut seen = false;
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
        if !seen {
            first(&buffer[..read]);
            seen = true;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn twenty_flows_with_one_environment_build_it_once_and_new_code_builds_nothing() {
    let door = Door::new();
    let flow = TestFlow::new("one_environment", &door.address());
    let built = |arguments: &[&str]| -> Vec<Value> {
        let arguments = [&["build", "--no-check", "--jobs", "4"], arguments].concat();
        let output = flow.command(&arguments).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines: Vec<_> = lines.filter(|line| line["status"].is_string()).collect();
        assert_eq!(lines.len(), 20, "{}", String::from_utf8_lossy(&output.stderr));
        for line in &lines {
            assert_eq!(line["status"], "built", "{line:#}");
        }
        lines.into_iter().map(|line| line["digest"].clone()).collect()
    };
    let first = built(&[]);
    assert_eq!(door.builds(), 1);

    let other = flow.root().join("target/other");
    let mut bytes = std::fs::read(flow.root().join("target/one_environment")).unwrap();
    let (one, two) = (b"the first build of the twenty", b"the other build of the twenty");
    let at = bytes.windows(one.len()).position(|window| window == one).unwrap();
    bytes[at..at + one.len()].copy_from_slice(two);
    std::fs::write(&other, bytes).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&other, mode).unwrap();
    let second = built(&["--binary", other.to_str().unwrap()]);
    assert_eq!(door.builds(), 0);
    assert!(first.iter().zip(&second).all(|(first, second)| first != second));
}

#[test]
fn an_environment_built_anew_gives_the_same_image_with_the_same_labels() {
    let flow = TestFlow::new("one_environment", &setting("DOCKER_HOST"));
    let built = || {
        let output = flow
            .command(&["build", "--no-check", "--verify", "flow-01"])
            .output()
            .unwrap();
        let line = crate::test_flow::outcome(&output);
        assert_eq!(line["status"], "built", "{line:#}");
        assert_eq!(line["verified"], true, "{line:#}");
        let hex = line["image_id"].as_str().unwrap().replace("sha256:", "");
        let path = flow.root().join("target/flowimage/images/blobs/sha256").join(hex);
        let config: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        (line["digest"].clone(), config["config"]["Labels"].clone())
    };
    let first = built();
    let labels = &first.1;
    assert_eq!(labels["dev.flowimage.flows"], "flow-01", "{labels:#}");
    assert_eq!(
        labels["org.opencontainers.image.base.name"],
        "docker.io/library/debian:bookworm-slim"
    );
    // Those by which the engine's own images are swept are none of the flow's.
    assert!(labels.get("dev.flowimage.project").is_none(), "{labels:#}");
    std::fs::remove_dir_all(flow.root().join("target/flowimage")).unwrap();
    assert_eq!(built(), first);
}

#[test]
fn an_environment_that_the_registry_has_is_not_built_nor_fetched_by_another_machine() {
    let door = Door::new();
    let registry = format!(
        "{}/environments-{}",
        setting("FLOWIMAGE_TEST_REGISTRY"),
        std::process::id()
    );
    // Two projects are as good as two machines: neither sees what the other keeps.
    let register = |flow: &TestFlow, more: &[&str]| {
        let arguments = [&["register", "flow-01", "--registry", &registry][..], more].concat();
        let line = crate::test_flow::outcome(&flow.command(&arguments).output().unwrap());
        assert_eq!(line["status"], "registered", "{line:#}");
        line["digest"].clone()
    };
    let gzips = |flow: &TestFlow| {
        let blobs = std::fs::read_dir(flow.root().join("target/flowimage/images/blobs/sha256")).unwrap();
        let blobs = blobs.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        blobs.filter(|bytes| bytes.starts_with(&[0x1f, 0x8b])).count()
    };
    let first = TestFlow::new("one_environment", &door.address());
    let digest = register(&first, &["--no-check"]);
    assert_eq!(door.builds(), 1);
    let all = gzips(&first);

    let second = TestFlow::new("one_environment", &door.address());
    assert_eq!(register(&second, &["--no-check"]), digest);
    // The flow's own layer was made there, and no other is there.
    assert_eq!((door.builds(), gzips(&second)), (0, 1), "of {all}");

    // Health checks read them all.
    let third = TestFlow::new("one_environment", &door.address());
    assert_eq!(register(&third, &[]), digest);
    assert_eq!((door.builds(), gzips(&third)), (0, all));
}
