//! With a real engine, registry and podman, as `./test engine` sets them up.

mod at_hand;
mod bases;
mod clean;
#[path = "../common/mod.rs"]
mod common;
mod declared;
mod door;
mod environments;
mod from_prefect;
mod gallery;
mod killed;
mod kubernetes;
mod load;
mod mishaps;
mod odbc;
mod registries;
mod remote;
mod run_image;
mod shared;
mod test_flow;
mod unhealthy;

use std::process::Command;

use common::Project;

/// A part of the tests' registry that this test alone pushes to.
fn registry_of(test: &str) -> String {
    format!(
        "{}/{test}-{}",
        setting("FLOWIMAGE_TEST_REGISTRY"),
        std::process::id()
    )
}

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

/// What docker says, on the tests' engine.
fn docker(arguments: &[&str]) -> String {
    let mut docker = Command::new("docker");
    output(docker.env("DOCKER_HOST", setting("DOCKER_HOST")).args(arguments))
}

/// What podman says.
fn podman(arguments: &[&str]) -> String {
    let url = setting("FLOWIMAGE_TEST_PODMAN");
    let mut podman = Command::new("podman");
    output(podman.args(["--remote", "--url", &url]).args(arguments))
}

/// The flows of the example, with parameters.
const RUNS: [&[&str]; 3] = [
    &["run", "carrier-delays", "--param", "day=2"],
    &["run", "late-departures"],
    &["run", "sorted-airlines", "--param", "reverse=true"],
];

/// Gives every image of the layout to an engine, as an archive of this form, and runs its flow there.
fn every_image_runs(form: &str, prefix: &str, engine: fn(&[&str]) -> String) {
    let project = Project::new();
    assert_eq!(project.json(&[]).1, 0);
    for run in RUNS {
        let name = format!("{prefix}flowimage-test-{}:layout", run[1]);
        let archive = project.path(&format!("{}.tar", run[1]));
        let layout = project.path("target/flowimage/images");
        output(
            Command::new("skopeo")
                .args(["--insecure-policy", "copy", "-q"])
                .arg(format!("oci:{}:{}", layout.display(), run[1]))
                .arg(format!("{form}:{}:{name}", archive.display())),
        );
        engine(&["load", "-q", "-i", archive.to_str().unwrap()]);
        let inside = engine(&[&["run", "--rm", "--network=none", &name], run].concat());
        assert_eq!(inside, String::from_utf8(project.run(run).stdout).unwrap());
        engine(&["rmi", &name]);
    }
}

#[test]
fn every_image_of_the_layout_runs_its_flow_on_the_engine() {
    every_image_runs("docker-archive", "", docker);
}

#[test]
fn every_image_of_the_layout_runs_its_flow_with_podman() {
    every_image_runs("oci-archive", "localhost/", podman);
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

/// What OCI's own tool says of something, and whether that is good.
fn validate(kind: &str, path: &std::path::Path) -> (bool, String) {
    let mut tool = Command::new("oci-image-tool");
    let output = tool
        .args(["validate", "--type", kind])
        .arg(path)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn layout_manifests_and_configurations_are_valid_by_the_tool_of_oci() {
    setting("FLOWIMAGE_TEST_ENV");
    let project = Project::new();
    let (lines, status) = project.json(&["register", "--no-check"]);
    assert_eq!(status, 0, "{lines:#?}");
    let built = test_flow::TestFlow::new("one_environment", &setting("DOCKER_HOST"));
    let line = test_flow::outcome(
        &built
            .command(&["register", "flow-01", "--no-check"])
            .output()
            .unwrap(),
    );
    let layouts = [
        (project.path("target/flowimage/images"), lines),
        (built.root().join("target/flowimage/images"), vec![line]),
    ];
    for (layout, lines) in &layouts {
        let mut all = vec![("image", layout.clone())];
        for line in lines.iter().filter(|line| line["status"] == "registered") {
            for (kind, what) in [("manifest", "digest"), ("config", "image_id")] {
                let hex = line[what].as_str().unwrap().replace("sha256:", "");
                all.push((kind, layout.join("blobs/sha256").join(hex)));
            }
        }
        assert!(all.len() > 2, "{lines:#?}");
        for (kind, path) in all {
            let (good, said) = validate(kind, &path);
            assert!(good && said.contains("Validation succeeded"), "{kind}: {said}");
        }
    }
    // It looks: a layer with other bytes is none.
    let layout = &layouts[0].0;
    let blobs = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
    for path in blobs.map(|entry| entry.unwrap().path()) {
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let (good, said) = validate("image", layout);
    assert!(!good && said.contains("digest"), "{said}");
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

/// The program of the example `system`, in a project of its own.
fn system(project: &Project, arguments: &[&str]) -> (Vec<serde_json::Value>, i32) {
    let program = project.path("target/system");
    if !program.exists() {
        std::fs::hard_link(common::example("system"), &program).unwrap();
    }
    let output = Command::new(program)
        .args(arguments)
        .arg("--json")
        .current_dir(project.path("."))
        .env("DOCKER_HOST", setting("DOCKER_HOST"))
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        output.status.code().unwrap(),
    )
}

#[test]
fn a_flow_with_packages_is_built_checked_pushed_pulled_and_run() {
    let registry = format!("{}/whole", setting("FLOWIMAGE_TEST_REGISTRY"));
    let project = Project::new();
    let (lines, status) = system(&project, &["register", "--registry", &registry]);
    assert_eq!(
        (lines[0]["status"].as_str(), status),
        (Some("registered"), 0),
        "{lines:#?}"
    );
    let mut checks = lines[0]["checks"].as_array().unwrap().iter();
    let loaded = checks.find(|check| check["name"] == "the flow loads").unwrap();
    assert_eq!(
        (&loaded["name"], &loaded["status"]),
        (&"the flow loads".into(), &"pass".into()),
        "{lines:#?}"
    );
    let image = lines[0]["image"].as_str().unwrap();
    assert_eq!(
        image,
        format!(
            "{registry}/flights-by-airport@{}",
            lines[0]["digest"].as_str().unwrap()
        )
    );
    docker(&["pull", "-q", image]);
    assert_eq!(
        docker(&["run", "--rm", "--network=none", image]),
        "[\"EWR,1330\",\"JFK,1254\",\"LGA,1030\"]\n"
    );
    let (again, status) = system(&project, &["register", "--registry", &registry]);
    assert_eq!(
        (again[0]["status"].as_str(), status),
        (Some("unchanged"), 0),
        "{again:#?}"
    );

    // New code on the same environment: the engine builds nothing, one layer is new.
    let changed = project.path("target/changed");
    let mut bytes = std::fs::read(common::example("system")).unwrap();
    bytes.extend(b"another build");
    std::fs::write(&changed, bytes).unwrap();
    output(Command::new("chmod").arg("755").arg(&changed));
    let environments = || {
        let mut names: Vec<_> = std::fs::read_dir(project.path("target/flowimage/environments"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name(), entry.metadata().unwrap().modified().unwrap())
            })
            .collect();
        names.sort();
        names
    };
    let before = environments();
    let (rebuilt, status) = system(
        &project,
        &[
            "register",
            "--registry",
            &registry,
            "--binary",
            changed.to_str().unwrap(),
        ],
    );
    assert_eq!(status, 0, "{rebuilt:#?}");
    assert_eq!(before, environments());
}

#[test]
fn a_plain_docker_build_of_an_environment_runs_the_same() {
    let project = Project::new();
    let context = project.path("context");
    output(
        Command::new(common::example("system"))
            .args([
                "dockerfile",
                "flights-by-airport",
                "--context",
                context.to_str().unwrap(),
            ])
            .current_dir(project.path("."))
            .env_remove("CARGO_MANIFEST_DIR"),
    );
    let name = "flowimage-test-environment:context";
    docker(&["build", "-q", "-t", name, context.to_str().unwrap()]);
    assert_eq!(
        docker(&["run", "--rm", name]),
        "[\"EWR,1330\",\"JFK,1254\",\"LGA,1030\"]\n"
    );
    assert_eq!(
        docker(&["run", "--rm", "--entrypoint", "id", name, "-un"]),
        "flow\n"
    );
    docker(&["rmi", name]);
}

#[test]
fn a_registry_that_cannot_be_reached_or_refuses_is_said_and_nothing_is_registered() {
    let project = Project::new();
    let refusing = setting("FLOWIMAGE_TEST_AUTH_REGISTRY");
    for (registry, wanted) in [
        ("127.0.0.1:1/x".to_owned(), "cannot be reached"),
        (format!("{refusing}/x"), "without credentials"),
    ] {
        let (lines, status) = project.json(&["register", "late-departures", "--registry", &registry]);
        assert_eq!(
            (lines[0]["error"]["stage"].as_str(), status),
            (Some("publish"), 1),
            "{lines:#?}"
        );
        assert!(
            lines[0]["error"]["message"].as_str().unwrap().contains(wanted),
            "{lines:#?}"
        );
        assert!(!project.path("flowimage.lock").exists());
    }
}

#[test]
fn an_engine_that_is_needed_and_dead_is_named_with_the_key() {
    let project = Project::new();
    let output = Command::new(common::example("system"))
        .args(["build", "--json"])
        .current_dir(project.path("."))
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .unwrap();
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = line["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("`system_dependencies` needs an engine"),
        "{line:#}"
    );
    assert_eq!(
        (line["error"]["stage"].as_str(), output.status.code()),
        (Some("build"), Some(1))
    );
}
