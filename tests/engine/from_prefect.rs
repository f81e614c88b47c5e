//! What became of the words of Prefect 1's `Docker(…)`: `docs/from-prefect.md` names these tests.

use std::process::Command;

use serde_json::{Value, json};

use crate::test_flow::TestFlow;
use crate::{docker, output, setting};

/// The program `words` with the files that its flows declare.
fn words() -> TestFlow {
    let flow = TestFlow::new("words", &setting("DOCKER_HOST"));
    flow.copy("words");
    flow
}

fn registry() -> String {
    format!("{}/words", setting("FLOWIMAGE_TEST_REGISTRY"))
}

/// The outcomes of a command, one a flow.
fn outcomes(flow: &TestFlow, arguments: &[&str]) -> Vec<Value> {
    let output = flow.command(arguments).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!lines.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    lines
        .into_iter()
        .filter(|line| line["status"].is_string())
        .collect()
}

fn outcome(flow: &TestFlow, arguments: &[&str]) -> Value {
    outcomes(flow, arguments).remove(0)
}

/// Registers a flow in the registry of the tests; what its image returns when a worker runs it.
fn result(flow: &TestFlow, name: &str) -> Value {
    let line = outcome(flow, &["register", name, "--registry", &registry()]);
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap();
    docker(&["pull", "-q", image]);
    let said = docker(&["run", "--rm", "--network=none", image]);
    serde_json::from_str(&said).unwrap()
}

#[test]
fn the_declared_registry_is_pushed_to_under_name_and_tag() {
    let flow = words();
    let line = outcome(&flow, &["register", "words"]);
    assert_eq!(line["error"]["stage"], "publish", "{line:#}");
    assert!(
        line["error"]["message"].as_str().unwrap().contains("127.0.0.1:1"),
        "{line:#}"
    );

    let values = result(&flow, "words");
    assert_eq!(
        values,
        json!({
            "environment": "from the environment",
            "path": "/opt/more:",
            "file": "from a file",
            "made": "FROM A FILE",
            "program": "/srv/flow/flow",
        })
    );
    let tagged = format!("{}/from/prefect:words", registry());
    docker(&["pull", "-q", &tagged]);
    assert_eq!(docker(&["run", "--rm", &tagged]), format!("{values}\n"));
    // Neither Prefect nor Python is in it: the program is the flow, and all that runs it.
    assert_eq!(
        docker(&[
            "run",
            "--rm",
            "--entrypoint",
            "sh",
            &tagged,
            "-c",
            "command -v python3 pip prefect || echo none"
        ]),
        "none\n"
    );
}

#[test]
fn a_dry_run_pushes_nothing() {
    let flow = words();
    let somewhere = format!("{}/dry", setting("FLOWIMAGE_TEST_REGISTRY"));
    for arguments in [
        ["build", "more-words", "--registry", &somewhere, "--quiet"],
        ["register", "more-words", "--registry", &somewhere, "--no-push"],
    ] {
        let line = outcome(&flow, &arguments);
        assert_ne!(line["status"], "failed", "{line:#}");
    }
    let repository = format!("docker://{somewhere}/more-words");
    let listed = Command::new("skopeo")
        .args(["list-tags", "--tls-verify=false", &repository])
        .output()
        .unwrap();
    assert!(
        !listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stdout)
    );
}

#[test]
fn several_flows_share_environment_and_program() {
    let flow = words();
    let lines = outcomes(
        &flow,
        &["register", "words", "more-words", "--registry", &registry()],
    );
    let layers = |line: &Value| -> Value {
        let image = format!("docker://{}", line["image"].as_str().unwrap());
        let raw = output(Command::new("skopeo").args(["inspect", "--tls-verify=false", "--raw", &image]));
        serde_json::from_str::<Value>(&raw).unwrap()["layers"].clone()
    };
    assert_eq!(layers(&lines[0]), layers(&lines[1]), "{lines:#?}");
}

#[test]
fn a_dockerfile_has_its_context_ignore_file_and_build_arguments() {
    assert_eq!(
        result(&words(), "own-dockerfile"),
        json!({ "driver": "18.3", "greeting": "from a file", "secret": "false" })
    );
}

#[test]
fn a_base_of_this_machine_is_used_as_it_is_each_time() {
    let flow = words();
    for text in ["first", "second"] {
        let dockerfile = format!(
            "FROM {}\nRUN echo {text} > /built\n",
            setting("FLOWIMAGE_TEST_BASE")
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let context = folder.path().to_str().unwrap();
        docker(&["build", "-q", "-t", "flowimage-test/words-base:1", context]);
        assert_eq!(result(&flow, "local"), text);
    }
}

#[test]
fn health_checks_are_skipped_on_request() {
    let flow = words();
    let line = outcome(&flow, &["register", "unhealthy", "--registry", &registry()]);
    assert_eq!(line["error"]["stage"], "check", "{line:#}");
    let line = outcome(&flow, &["register", "unchecked", "--registry", &registry()]);
    assert_eq!(line["status"], "registered", "{line:#}");
}

#[test]
fn another_program_is_packed_on_request() {
    let flow = words();
    let other = flow.changed("the first build of the words", "the other build of the words");
    let built = |arguments: &[&str]| {
        let line = outcome(&flow, &[&["build", "more-words"], arguments].concat());
        assert_eq!(line["status"], "built", "{line:#}");
        line["digest"].clone()
    };
    let own = built(&[]);
    assert_ne!(own, built(&["--binary", &other]));
}
