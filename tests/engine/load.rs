//! `--load`: the image is in the engine too, under its name.

use std::process::Command;

use serde_json::Value;

use crate::at_hand::{doubtful, say};
use crate::common::Project;
use crate::door::Door;
use crate::test_flow::{TestFlow, outcome};
use crate::{docker, podman, registry_of, setting};

/// A program in a project of its own, with an engine.
struct Loading {
    project: Project,
    engine: String,
}

impl Loading {
    fn new() -> Self {
        let (project, engine) = (Project::new(), setting("DOCKER_HOST"));
        Self { project, engine }
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let mut command = self.project.command(&[arguments, &["--json"]].concat());
        outcome(&command.env("DOCKER_HOST", &self.engine).output().unwrap())
    }
}

fn id_of(name: &str) -> String {
    docker(&["image", "inspect", "-f", "{{.Id}}", name])
        .trim()
        .to_owned()
}

/// Nothing is left under the names that images have while they are looked at.
fn nothing_left(mark: &str) {
    let names = docker(&["images", "--format", "{{.Repository}}"]);
    assert!(!names.contains(mark), "{names}");
}

#[test]
fn a_built_image_is_there_to_be_run() {
    let door = Door::new(&setting("DOCKER_HOST"));
    let loading = Loading {
        project: Project::new(),
        engine: door.address(),
    };
    let tag = format!("built-{}", std::process::id());
    let line = loading.run(&["build", "sorted-airlines", "--load", "--tag", &tag]);
    assert_eq!(line["status"], "built", "{line:#}");
    let name = format!("sorted-airlines:{tag}");
    assert_eq!(line["loaded"], name.as_str(), "{line:#}");
    assert_eq!(id_of(&name), line["image_id"].as_str().unwrap());
    // The checks ran in what was put there once.
    assert!(line["checks"].as_array().is_some_and(|checks| checks.len() > 3));
    assert_eq!(door.orders("/images/load"), 1);
    let said = docker(&["run", "--rm", "--network=none", &name]);
    let here = loading.project.run(&["run", "sorted-airlines"]);
    assert_eq!(said.as_bytes(), here.stdout);
    nothing_left(&loading.project.mark());

    // It is there for its owner, until `clean`: it was never registered.
    let cleaned = loading.run(&["clean"]);
    assert_eq!(cleaned["engine"]["status"], "cleaned", "{cleaned:#}");
    assert_eq!(docker(&["images", "-q", &name]), "");
}

#[test]
fn a_registered_image_is_pushed_and_there() {
    let loading = Loading::new();
    let registry = registry_of("load");
    let name = format!("{registry}/sorted-airlines:now");
    let register = |more: &[&str]| {
        let whole = [
            &[
                "register",
                "sorted-airlines",
                "--registry",
                &registry,
                "--tag",
                "now",
            ],
            more,
        ];
        loading.run(&whole.concat())
    };
    let line = register(&["--no-check", "--load"]);
    assert_eq!(line["status"], "registered", "{line:#}");
    assert_eq!(line["loaded"], name.as_str(), "{line:#}");
    let id = line["image_id"].as_str().unwrap();
    assert_eq!(id_of(&name), id);
    nothing_left(&loading.project.mark());

    // Nothing changed: it is there still, or again.
    let again = register(&["--no-check"]);
    assert_eq!(
        (&again["status"], &again["loaded"]),
        (&"unchanged".into(), &Value::Null)
    );
    for gone in [false, true] {
        if gone {
            docker(&["rmi", &name]);
        }
        let again = register(&["--no-check", "--load"]);
        assert_eq!(again["status"], "unchanged", "{again:#}");
        assert_eq!(again["loaded"], name.as_str(), "{again:#}");
        assert_eq!(id_of(&name), id);
    }
    // What is registered stays, and goes with its registration.
    loading.run(&["clean"]);
    assert_eq!(id_of(&name), id);
    std::fs::remove_file(loading.project.path("flowimage.lock")).unwrap();
    loading.run(&["clean"]);
    assert_eq!(docker(&["images", "-q", &name]), "");
}

#[test]
fn a_layout_s_image_is_there_again() {
    let loading = Loading::new();
    let tag = format!("kept-{}", std::process::id());
    let name = format!("late-departures:{tag}");
    let register = || {
        loading.run(&[
            "register",
            "late-departures",
            "--load",
            "--no-push",
            "--tag",
            &tag,
        ])
    };
    assert_eq!(register()["status"], "registered");
    docker(&["rmi", &name]);
    let line = register();
    assert_eq!(line["status"], "unchanged", "{line:#}");
    assert_eq!(line["loaded"], name.as_str());
    assert_eq!(id_of(&name), line["image_id"].as_str().unwrap());
    docker(&["rmi", &name]);
}

#[test]
fn layers_that_only_a_registry_has_are_brought() {
    let registry = registry_of("load-words");
    let machine = |engine: &str| {
        let flow = TestFlow::new("words", engine);
        flow.copy("words");
        // An environment that no other test builds.
        let greeting = format!("load {}", std::process::id());
        std::fs::write(flow.root().join("tests/flows/words/greeting.txt"), greeting).unwrap();
        flow
    };
    let run = |flow: &TestFlow, arguments: &[&str]| outcome(&flow.command(arguments).output().unwrap());
    let register = ["register", "more-words", "--no-check", "--registry", &registry];

    // The engine that built the environment loses it. BuildKit would keep the layers.
    let classic = Door::without_buildkit(&setting("DOCKER_HOST"));
    let first = machine(&classic.address());
    assert_eq!(run(&first, &register)["status"], "registered");
    std::fs::remove_file(first.root().join("flowimage.lock")).unwrap();
    assert_eq!(run(&first, &["clean"])["engine"]["status"], "cleaned");

    let door = Door::new(&setting("DOCKER_HOST"));
    let second = machine(&door.address());
    let line = run(&second, &[&register[..], &["--load", "--tag", "now"]].concat());
    assert_eq!(line["status"], "registered", "{line:#}");
    assert_eq!(door.builds(), 0);
    assert_eq!(
        door.orders("/images/load"),
        2,
        "without the environment's layers it was refused"
    );
    let name = line["loaded"].as_str().unwrap();
    assert_eq!(name, format!("{registry}/more-words:now"));
    let said = docker(&["run", "--rm", "--network=none", name]);
    assert!(said.contains(&format!("LOAD {}", std::process::id())), "{said}");
    docker(&["rmi", name]);
    nothing_left(&second.mark());
}

#[test]
fn a_name_that_moves_leaves_nothing_behind() {
    let flow = doubtful("healthy", &setting("DOCKER_HOST"));
    let tag = format!("moved-{}", std::process::id());
    let build = |verdict: &str| {
        say(&flow, verdict);
        let arguments = ["build", "--load", "--no-check", "--tag", &tag];
        let line = outcome(&flow.command(&arguments).output().unwrap());
        line["image_id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (build("healthy"), build(&format!("healthy\n\n{tag}")));
    assert_ne!(first, second);
    assert_eq!(id_of(&format!("doubtful:{tag}")), second);
    let all = docker(&["images", "--all", "--quiet", "--no-trunc"]);
    assert!(!all.contains(&first), "{all}");
    docker(&["rmi", &format!("doubtful:{tag}")]);
}

#[test]
fn what_fails_leaves_nothing_there() {
    let tag = format!("failed-{}", std::process::id());
    let unhealthy = doubtful("ill", &setting("DOCKER_HOST"));
    let build = |more: &[&str]| {
        let arguments = [&["register", "--load", "--tag", &tag], more].concat();
        outcome(&unhealthy.command(&arguments).output().unwrap())
    };
    let line = build(&["--no-push"]);
    assert_eq!(line["error"]["stage"], "check", "{line:#}");
    let names = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(!names.contains(&tag), "{names}");
    nothing_left(&unhealthy.mark());

    // An engine that breaks off while the registry takes all: no tag is moved, nothing registered.
    let door = Door::refusing(&setting("DOCKER_HOST"), "/images/load");
    let registry = registry_of("load-refused");
    let flow = doubtful("healthy", &door.address());
    let arguments = [
        "register",
        "--load",
        "--no-check",
        "--tag",
        &tag,
        "--registry",
        &registry,
    ];
    let line = outcome(&flow.command(&arguments).output().unwrap());
    assert_eq!(line["error"]["stage"], "publish", "{line:#}");
    assert!(door.orders("/images/load") > 0);
    assert!(!flow.root().join("flowimage.lock").exists());
    let tags = Command::new("skopeo")
        .args(["list-tags", "--tls-verify=false"])
        .arg(format!("docker://{registry}/doubtful"))
        .output()
        .unwrap();
    let tags = String::from_utf8_lossy(&tags.stdout).into_owned();
    assert!(!tags.contains(&tag), "{tags}");

    // Without an engine it is refused before anything is made.
    let line = build(&["--no-push", "--engine", "none"]);
    let error = &line["error"];
    assert_eq!(
        error["message"], "`--load` needs an engine: `--engine none` leaves no engine",
        "{line:#}"
    );
}

#[test]
fn podman_has_it_too() {
    let loading = Loading {
        project: Project::new(),
        engine: setting("FLOWIMAGE_TEST_PODMAN"),
    };
    let tag = format!("podman-{}", std::process::id());
    // It need not speak to the registry itself, also for what was registered before.
    let registry = registry_of("load-podman");
    let register = [
        "register",
        "sorted-airlines",
        "--registry",
        &registry,
        "--tag",
        &tag,
    ];
    assert_eq!(loading.run(&register)["status"], "registered");
    let line = loading.run(&[&register[..], &["--load"]].concat());
    assert_eq!(line["status"], "unchanged", "{line:#}");
    assert_eq!(line["loaded"], format!("{registry}/sorted-airlines:{tag}"));
    podman(&["image", "inspect", line["loaded"].as_str().unwrap()]);
    std::fs::remove_file(loading.project.path("flowimage.lock")).unwrap();

    let line = loading.run(&["build", "sorted-airlines", "--load", "--tag", &tag]);
    assert_eq!(line["status"], "built", "{line:#}");
    let name = line["loaded"].as_str().unwrap();
    let said = podman(&["run", "--rm", "--network=none", name]);
    let here = loading.project.run(&["run", "sorted-airlines"]);
    assert_eq!(said.as_bytes(), here.stdout);
    let cleaned = loading.run(&["clean"]);
    assert_eq!(cleaned["engine"]["status"], "cleaned", "{cleaned:#}");
    let names = podman(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(!names.contains(&tag), "{names}");
}
