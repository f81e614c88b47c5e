//! `run --image`: the registered image on the engine.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::Project;
use crate::test_flow::TestFlow;
use crate::{docker, output, registry_of, setting};

/// What an engine calls an image of the project's layout.
fn image_id(project: &Project, digest: &str) -> String {
    let hex = digest.replace("sha256:", "");
    let path = project.path("target/flowimage/images/blobs/sha256").join(hex);
    let manifest: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn run_image_is_what_is_registered_wherever_that_is() {
    let project = Project::new();
    let engine = setting("DOCKER_HOST");
    // Nothing of an earlier run is there under this name.
    let registry = registry_of("run-image");
    for place in [&["--no-push"][..], &["--registry", &registry]] {
        let run = |arguments: &[&str]| {
            let mut command = project.command(&[arguments, place].concat());
            command.env("DOCKER_HOST", &engine).output().unwrap()
        };
        let wanted = ["run", "sorted-airlines", "--image", "--param", "reverse=true"];
        let before = run(&wanted);
        assert_eq!(before.status.code(), Some(1));
        let said = String::from_utf8(before.stderr).unwrap();
        assert!(
            said.starts_with("error: `sorted-airlines` is not registered at "),
            "{said}"
        );
        assert!(
            run(&["register", "sorted-airlines", "--no-check"])
                .status
                .success()
        );
        let inside = run(&wanted);
        let said = String::from_utf8_lossy(&inside.stderr);
        assert_eq!(inside.status.code(), Some(0), "{said}");
        let here = project.run(&["run", "sorted-airlines", "--param", "reverse=true"]);
        assert_eq!(inside.stdout, here.stdout, "{said}");
        if place == ["--no-push"] {
            // The layout has it; what was put into the engine for the run is gone.
            let (lines, _) = project.json(&["list"]);
            let id = lines
                .iter()
                .find(|line| line["flow"] == "sorted-airlines")
                .map(|line| image_id(&project, line["built"].as_str().unwrap()));
            let images = |arguments: &[&str]| docker(&[&["images"], arguments].concat());
            // Pulled from the registry before, or named by another test, it may be there.
            let format = "{{.ID}} {{.Tag}} {{.Digest}}";
            let all = images(&["--no-trunc", "--digests", "--format", format]);
            assert!(!all.contains(&format!("{} <none> <none>", id.unwrap())), "{all}");
            let names = images(&["--format", "{{.Repository}}"]);
            assert!(!names.contains(&project.mark()), "{names}");
        }
        // The flow's own exit status and words are passed on.
        let unfit = run(&["run", "sorted-airlines", "--image", "--param", "reverse=3"]);
        let said = String::from_utf8(unfit.stderr).unwrap();
        assert_eq!(unfit.status.code(), Some(2));
        assert!(
            said.contains("the parameters of `sorted-airlines` do not fit"),
            "{said}"
        );
        if place != ["--no-push"] {
            // It was pulled, and stays for the next time as long as it is registered. It bears our labels.
            let name = format!("{registry}/sorted-airlines");
            let format = "{{.Repository}}@{{.Digest}}";
            let pulled = docker(&["images", "--digests", "--format", format, &name]);
            let labels = docker(&["image", "inspect", "-f", "{{json .Config.Labels}}", pulled.trim()]);
            assert!(
                labels.contains("\"dev.flowimage.flows\":\"sorted-airlines\""),
                "{labels}"
            );
            let clean = || String::from_utf8(run(&["clean", "--json"]).stdout).unwrap();
            let said = clean();
            assert!(!said.contains(&name), "{said}");
            std::fs::remove_file(project.path("flowimage.lock")).unwrap();
            let said = clean();
            assert!(said.contains(pulled.trim()), "{said}");
            assert_eq!(docker(&["images", "-q", &name]), "");
        }
    }
}

#[test]
fn a_signal_ends_the_flow_and_removes_its_container() {
    let engine = setting("DOCKER_HOST");
    let flow = TestFlow::new("watched", &engine);
    let registry = format!("{}/run-image", setting("FLOWIMAGE_TEST_REGISTRY"));
    // A number by which the containers are known.
    let seconds = format!("seconds={}", 1_000_000 + std::process::id());
    for place in [&["--no-push"][..], &["--registry", &registry]] {
        output(flow.command(&["register", "waits", "--no-check"]).args(place));
        for signal in ["TERM", "INT"] {
            let mut run = flow.command(&["run", "waits", "--image", "--param", &seconds]);
            let mut child = run.args(place).stderr(Stdio::piped()).spawn().unwrap();
            let said = BufReader::new(child.stderr.take().unwrap());
            let mut lines = said.lines().map(Result::unwrap);
            assert!(lines.any(|line| line.ends_with(" watched: waiting")));
            output(Command::new("kill").args(["-s", signal, &child.id().to_string()]));
            let status = child.wait().unwrap();
            assert_eq!(status.code(), Some(130), "{signal}: {:?}", lines.next());
            let mut docker = Command::new("docker");
            docker.args(["ps", "--all", "--no-trunc", "--format", "{{.Command}}"]);
            let containers = output(docker.env("DOCKER_HOST", &engine));
            assert!(!containers.contains(&seconds), "{containers}");
        }
    }
    let mut docker = Command::new("docker");
    let images = output(
        docker
            .args(["images", "--format", "{{.Repository}}"])
            .env("DOCKER_HOST", &engine),
    );
    assert!(!images.contains(&flow.mark()), "{images}");
}
