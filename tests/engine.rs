//! With a real engine, registry and podman, as `./test engine` sets them up.

#[path = "common/mod.rs"]
mod common;

use std::process::Command;

use common::Project;

/// A setting of the test environment. Without it nothing here is proved.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `./test engine`"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The flows of the example, with parameters.
const RUNS: [&[&str]; 3] = [
    &["run", "carrier-delays", "--param", "day=2"],
    &["run", "late-departures"],
    &["run", "sorted-airlines", "--param", "reverse=true"],
];

#[test]
fn every_image_of_the_layout_runs_its_flow_on_the_engine() {
    let engine = setting("DOCKER_HOST");
    let project = Project::new();
    assert_eq!(project.json(&[]).1, 0);
    for run in RUNS {
        let name = format!("flowimage-test-{}:layout", run[1]);
        let archive = project.path(&format!("{}.tar", run[1]));
        output(
            Command::new("skopeo")
                .args(["--insecure-policy", "copy", "-q"])
                .arg(format!(
                    "oci:{}:{}",
                    project.path("target/flowimage/images").display(),
                    run[1]
                ))
                .arg(format!("docker-archive:{}:{name}", archive.display())),
        );
        let docker =
            |arguments: &[&str]| output(Command::new("docker").env("DOCKER_HOST", &engine).args(arguments));
        docker(&["load", "-q", "-i", archive.to_str().unwrap()]);
        let inside = docker(&[&["run", "--rm", "--network=none", &name], run].concat());
        assert_eq!(inside, String::from_utf8(project.run(run).stdout).unwrap());
        docker(&["rmi", &name]);
    }
}

#[test]
fn every_image_of_the_layout_runs_its_flow_with_podman() {
    let podman = setting("FLOWIMAGE_TEST_PODMAN");
    let project = Project::new();
    assert_eq!(project.json(&[]).1, 0);
    for run in RUNS {
        let name = format!("localhost/flowimage-test-{}:layout", run[1]);
        let archive = project.path(&format!("{}.tar", run[1]));
        output(
            Command::new("skopeo")
                .args(["--insecure-policy", "copy", "-q"])
                .arg(format!(
                    "oci:{}:{}",
                    project.path("target/flowimage/images").display(),
                    run[1]
                ))
                .arg(format!("oci-archive:{}:{name}", archive.display())),
        );
        let podman = |arguments: &[&str]| {
            output(
                Command::new("podman")
                    .args(["--remote", "--url", &podman])
                    .args(arguments),
            )
        };
        podman(&["load", "-q", "-i", archive.to_str().unwrap()]);
        let inside = podman(&[&["run", "--rm", "--network=none", &name], run].concat());
        assert_eq!(inside, String::from_utf8(project.run(run).stdout).unwrap());
        podman(&["rmi", &name]);
    }
}

#[test]
fn skopeo_reads_the_layout() {
    setting("FLOWIMAGE_TEST_ENV");
    let project = Project::new();
    let (lines, _) = project.json(&["register", "late-departures"]);
    let layout = format!(
        "oci:{}:late-departures",
        project.path("target/flowimage/images").display()
    );
    let inspected = output(Command::new("skopeo").args(["inspect", &layout]));
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], lines[0]["digest"]);
    assert_eq!(inspected["Architecture"], "amd64");
}

#[test]
fn a_plain_docker_build_of_the_context_runs_the_same() {
    let engine = setting("DOCKER_HOST");
    let project = Project::new();
    for run in RUNS {
        let context = project.path(&format!("context-{}", run[1]));
        output(&mut project.command(&["dockerfile", run[1], "--context", context.to_str().unwrap()]));
        for buildkit in ["0", "1"] {
            let docker = |arguments: &[&str]| {
                output(
                    Command::new("/usr/bin/docker")
                        .env("DOCKER_HOST", &engine)
                        .env("DOCKER_BUILDKIT", buildkit)
                        .args(arguments),
                )
            };
            let name = format!("flowimage-test-{}:context-{buildkit}", run[1]);
            docker(&["build", "-q", "-t", &name, context.to_str().unwrap()]);
            let inside = docker(&[&["run", "--rm", "--network=none", &name], run].concat());
            assert_eq!(inside, String::from_utf8(project.run(run).stdout).unwrap());
            docker(&["rmi", &name]);
        }
    }
}
