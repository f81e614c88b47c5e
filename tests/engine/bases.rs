//! Base images without an engine: from a layout, into a registry.

use std::path::Path;
use std::process::Command;

use crate::test_flow::{TestFlow, outcome};
use crate::{docker, output, setting};

/// Copies an image into a layout, under docker's name for the base.
pub(crate) fn mirror(folder: &Path, options: &[&str], source: &str) {
    output(
        Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q"])
            .args(options)
            .arg(source)
            .arg(format!("oci:{}:debian:bookworm-slim", folder.display())),
    );
}

#[test]
fn a_flow_on_a_base_is_registered_without_an_engine_and_runs_on_one() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let flow = TestFlow::new("based", "unix:///nonexistent.sock");
    mirror(
        &flow.root().join("bases"),
        &["--src-tls-verify=false"],
        &format!("docker://{}", setting("FLOWIMAGE_TEST_REGISTRY_BASE")),
    );
    std::fs::write(
        flow.root().join("flowimage.toml"),
        "[registry]\nbases = \"bases\"\n",
    )
    .unwrap();
    let target = format!("{registry}/bases");
    let register = |more: &[&str]| {
        let arguments = [&["register", "--registry", &target][..], more].concat();
        outcome(&flow.command(&arguments).output().unwrap())
    };
    let line = register(&[]);
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap();
    docker(&["pull", "-q", image]);
    let said = docker(&["run", "--rm", "--network=none", image]);
    assert!(said.starts_with("\"12."), "{said}");
    docker(&["rmi", image]);
    // Who looks at the image with other tools learns what it stands on.
    let inspected = output(
        Command::new("skopeo")
            .args(["inspect", "--config", "--tls-verify=false"])
            .arg(format!("docker://{image}")),
    );
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let labels = &inspected["config"]["Labels"];
    assert_eq!(
        labels["org.opencontainers.image.base.name"],
        "docker.io/library/debian:bookworm-slim"
    );
    let base = labels["org.opencontainers.image.base.digest"].as_str().unwrap();
    let mirrored = std::fs::read_to_string(flow.root().join("bases/index.json")).unwrap();
    assert!(mirrored.contains(base), "{base}: {mirrored}");
    let catalog = || std::fs::read_to_string(flow.root().join("flowimage.lock")).unwrap();
    let pinned = catalog();
    assert!(pinned.contains("[base.\"debian:bookworm-slim\"]"), "{pinned}");
    assert!(pinned.contains(base), "{base}: {pinned}");

    // The name moves, to layers compressed with zstd: the pin does not, until it is told to.
    let changed = format!("changed-base-{}:latest", std::process::id());
    let built = Command::new("docker")
        .args(["build", "-q", "-t", &changed, "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut built = built.unwrap();
    let text = b"FROM debian:bookworm-slim\nENV CHANGED=1\n";
    std::io::Write::write_all(&mut built.stdin.take().unwrap(), text).unwrap();
    assert!(built.wait().unwrap().success());
    let engine = setting("DOCKER_HOST");
    mirror(
        &flow.root().join("bases"),
        &["--src-daemon-host", &engine, "--dest-compress-format=zstd"],
        &format!("docker-daemon:{changed}"),
    );
    docker(&["rmi", &changed]);
    assert_eq!(register(&[])["status"], "unchanged");
    assert_eq!(catalog(), pinned);
    let line = register(&["--update-base"]);
    assert_eq!(line["status"], "registered", "{line:#}");
    assert_ne!(catalog(), pinned);
    let image = line["image"].as_str().unwrap();
    let manifest = output(
        Command::new("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false"])
            .arg(format!("docker://{image}")),
    );
    assert!(manifest.contains("tar+zstd"), "{manifest}");
    let mut checks = line["checks"].as_array().unwrap().iter();
    assert!(
        checks.any(|check| check["name"] == "the flow loads" && check["status"] == "pass"),
        "{line:#}"
    );
}
