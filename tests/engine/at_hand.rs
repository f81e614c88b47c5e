//! `check` on images that were not built just now: pulled by digest, in a layout, on Podman.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::test_flow::{TestFlow, outcome};
use crate::{docker, output, registry_of, setting};

/// The flow `doubtful`, whose health check takes two seconds and says what a declared file says.
pub(crate) fn doubtful(verdict: &str, engine: &str) -> TestFlow {
    let flow = TestFlow::new("doubtful", engine);
    flow.copy("verdict");
    say(&flow, verdict);
    flow
}

/// Has the health check of `doubtful` say something.
pub(crate) fn say(flow: &TestFlow, verdict: &str) {
    std::fs::write(flow.root().join("tests/flows/verdict/verdict.txt"), verdict).unwrap();
}

/// A check's outcome: the status, the failure's words, and whether the flow was seen to load, and where.
fn checked(flow: &TestFlow, image: &str) -> (Value, String, String) {
    let line = outcome(&flow.command(&["check", "--image", image]).output().unwrap());
    let message = line["error"]["message"].as_str().unwrap_or_default().to_owned();
    (line["status"].clone(), message, loads(&line))
}

fn loads(line: &Value) -> String {
    let checks = line["checks"].as_array().unwrap();
    let loads = checks.iter().find(|check| check["name"] == "the flow loads");
    let loads = loads.unwrap_or_else(|| panic!("{line:#}"));
    format!(
        "{} {}",
        loads["status"].as_str().unwrap(),
        loads["detail"].as_str().unwrap()
    )
}

#[test]
fn images_pulled_by_digest_and_in_layouts_are_checked() {
    let registry = registry_of("at-hand");
    for (verdict, status, message) in [
        ("healthy", "built", ""),
        ("ill", "failed", "Rust health check: verdict: the verdict is ill"),
    ] {
        let flow = doubtful(verdict, &setting("DOCKER_HOST"));
        let registered = |arguments: &[&str]| {
            let line = outcome(
                &flow
                    .command(&[&["register", "--no-check"], arguments].concat())
                    .output()
                    .unwrap(),
            );
            assert_eq!(line["status"], "registered", "{line:#}");
            line
        };
        let line = registered(&["--registry", &registry]);
        let by_digest = line["image"].as_str().unwrap();
        assert!(by_digest.contains("@sha256:"), "{line:#}");
        let seen = checked(&flow, by_digest);
        assert_eq!((seen.0, seen.1), (status.into(), message.to_owned()));
        assert!(seen.2.starts_with("pass in the image, with Docker"), "{}", seen.2);
        docker(&["rmi", by_digest]);

        registered(&[]);
        // A layout that another tool wrote.
        let copy = flow.root().join("copy");
        let own = flow.root().join("target/flowimage/images");
        skopeo_copy(&own, &copy);
        let seen = checked(&flow, &format!("oci:{}:doubtful", copy.display()));
        assert_eq!((seen.0, seen.1), (status.into(), message.to_owned()));
    }
}

fn skopeo_copy(from: &Path, to: &Path) {
    output(
        Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q"])
            .arg(format!("oci:{}:doubtful", from.display()))
            .arg(format!("oci:{}:doubtful", to.display())),
    );
}

#[test]
fn podman_runs_the_checks() {
    let podman = setting("FLOWIMAGE_TEST_PODMAN");
    for (verdict, status, message) in [
        ("healthy", "registered", Value::Null),
        (
            "ill",
            "failed",
            "Rust health check: verdict: the verdict is ill".into(),
        ),
    ] {
        let flow = doubtful(verdict, &podman);
        let line = outcome(&flow.command(&["register"]).output().unwrap());
        assert_eq!(
            (&line["status"], &line["error"]["message"]),
            (&status.into(), &message),
            "{line:#}"
        );
        assert!(
            loads(&line).starts_with("pass in the image, with Podman"),
            "{line:#}"
        );
        assert_eq!(
            flow.root().join("flowimage.lock").exists(),
            status == "registered"
        );
    }
}
