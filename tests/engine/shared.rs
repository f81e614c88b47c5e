//! Flows that share an environment, counted at the engine's door.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::bases::mirror;
use crate::door::Door;
use crate::test_flow::{TestFlow, outcome};
use crate::{registry_of, setting};

/// The program of the twenty on a machine of its own: a project folder, and an engine behind a door.
struct Machine {
    door: Door,
    flow: TestFlow,
}

/// What became of the twenty.
#[derive(Debug, PartialEq)]
struct Outcome {
    statuses: BTreeSet<String>,
    /// How many builds the engine was asked for.
    builds: usize,
    /// What was told of steps that ran.
    steps: Vec<String>,
    /// Where an environment was found.
    found: Vec<String>,
}

fn json_lines(output: &[u8]) -> Vec<Value> {
    let lines = String::from_utf8_lossy(output);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Machine {
    fn new(engine: &str) -> Self {
        let door = Door::new(&setting(engine));
        let flow = TestFlow::new("one_environment", &door.address());
        Self { door, flow }
    }

    /// Runs a command for all twenty; gives their digests too.
    fn all(&self, arguments: &[&str]) -> (Outcome, Vec<Value>) {
        let (outcome, digests) = self.run(arguments);
        assert_eq!(digests.len(), 20);
        (outcome, digests)
    }

    fn run(&self, arguments: &[&str]) -> (Outcome, Vec<Value>) {
        let always = ["--no-check", "--jobs", "4", "--progress", "json"];
        let output = self.flow.command(&[arguments, &always].concat()).output();
        let output = output.unwrap();
        let lines = json_lines(&output.stdout);
        let ends: Vec<&Value> = lines.iter().filter(|line| line["status"].is_string()).collect();
        assert!(!ends.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            ends.iter().all(|end| end["digest"].is_string()),
            "{}",
            serde_json::to_string_pretty(&ends).unwrap()
        );
        let texts = |event: &str, key: &str| {
            let events = lines.iter().filter(|line| line["event"] == event);
            let texts = events.map(|line| line[key].as_str().unwrap().to_owned());
            texts.collect::<Vec<_>>()
        };
        let done = Outcome {
            statuses: ends
                .iter()
                .map(|end| end["status"].as_str().unwrap().to_owned())
                .collect(),
            builds: self.door.builds(),
            steps: texts("step", "name"),
            found: texts("found", "place"),
        };
        (done, ends.iter().map(|end| end["digest"].clone()).collect())
    }

    /// The program with other code, as another file.
    fn changed(&self) -> String {
        self.flow
            .changed("the first build of the twenty", "the other build of the twenty")
    }
}

/// Images that differ in their labels alone load alike: one is loaded into the engine, and one container tells.
#[test]
fn twenty_flows_of_one_program_are_seen_to_load_in_one_container() {
    let machine = Machine::new("DOCKER_HOST");
    let build = machine.flow.command(&["build", "--jobs", "4"]).output().unwrap();
    let lines = json_lines(&build.stdout);
    assert_eq!(lines.len(), 20);
    for line in &lines {
        assert_eq!(line["status"], "built", "{line}");
        let checks = line["checks"].as_array().unwrap();
        let loads = checks.iter().find(|check| check["name"] == "the flow loads");
        assert_eq!(loads.unwrap()["status"], "pass", "{line}");
    }
    let orders = ["/containers/create", "/images/load"].map(|order| machine.door.orders(order));
    assert_eq!(orders, [1, 1]);
}

#[test]
fn twenty_flows_build_one_environment_and_new_code_or_a_second_machine_builds_none() {
    let first = Machine::new("DOCKER_HOST");
    // No run before this one may have left an environment there.
    let registry = format!(
        "{}/twenty-{}",
        setting("FLOWIMAGE_TEST_REGISTRY"),
        first.flow.mark()
    );
    let register = ["register", "--registry", &registry];
    let registered = || BTreeSet::from(["registered".to_owned()]);

    let (outcome, digests) = first.all(&register);
    assert_eq!(
        (outcome.statuses, outcome.builds, outcome.found),
        (registered(), 1, Vec::new())
    );
    assert!(
        outcome.steps.iter().any(|step| step.contains("echo twenty")),
        "{:?}",
        outcome.steps
    );

    let changed = first.changed();
    let (outcome, other_digests) = first.all(&[&register[..], &["--binary", &changed]].concat());
    assert_eq!(
        (outcome.statuses, outcome.builds, outcome.steps),
        (registered(), 0, Vec::new())
    );
    assert!(
        digests
            .iter()
            .zip(&other_digests)
            .all(|(first, second)| first != second)
    );

    // Another folder, nothing in it but the program, and an engine of another make that never saw the environment.
    let second = Machine::new("FLOWIMAGE_TEST_PODMAN");
    let (outcome, found_digests) = second.all(&register);
    assert_eq!(
        (outcome.statuses, outcome.builds, outcome.steps),
        (registered(), 0, Vec::new())
    );
    let [place] = &outcome.found[..] else {
        panic!("found {:?}", outcome.found)
    };
    assert!(
        place.starts_with(&registry) && place.contains(":env-"),
        "found {place}"
    );
    assert_eq!(digests, found_digests);
    let changed = second.changed();
    let (outcome, found_digests) = second.all(&[&register[..], &["--binary", &changed]].concat());
    assert_eq!(
        (outcome.statuses, outcome.builds, outcome.steps),
        (registered(), 0, Vec::new())
    );
    assert_eq!(other_digests, found_digests);

    // Without the registry that engine would have had to build.
    let alone = Machine::new("FLOWIMAGE_TEST_PODMAN");
    let (outcome, _) = alone.all(&["build"]);
    assert_eq!((outcome.builds, outcome.found), (1, Vec::new()));
}

#[test]
fn an_environment_is_found_where_another_flow_brought_it() {
    let first = Machine::new("DOCKER_HOST");
    let registry = format!(
        "{}/neighbour-{}",
        setting("FLOWIMAGE_TEST_REGISTRY"),
        first.flow.mark()
    );
    std::fs::write(first.flow.root().join("flowimage.toml"), "[profile.team]\n").unwrap();
    let (outcome, _) = first.run(&[
        "register",
        "flow-01",
        "--registry",
        &registry,
        "--profile",
        "team",
    ]);
    assert_eq!(outcome.builds, 1);

    // Another flow, whose own repository is not there yet, where the catalog came with the sources.
    let second = Machine::new("FLOWIMAGE_TEST_PODMAN");
    let catalog = "flowimage.lock";
    std::fs::copy(first.flow.root().join(catalog), second.flow.root().join(catalog)).unwrap();
    let (outcome, _) = second.run(&["register", "flow-02", "--registry", &registry]);
    assert_eq!((outcome.builds, outcome.steps), (0, Vec::new()));
    let [place] = &outcome.found[..] else {
        panic!("found {:?}", outcome.found)
    };
    assert!(place.starts_with(&format!("{registry}/flow-01:env-")), "{place}");

    // Its layers stayed there, and are fetched where a layout needs them.
    let (outcome, _) = second.run(&["register", "flow-02", "--no-push"]);
    assert_eq!((outcome.builds, outcome.steps), (0, Vec::new()));
}

#[test]
fn an_environment_built_anew_gives_the_same_image_with_the_same_labels() {
    let flow = TestFlow::new("one_environment", &setting("DOCKER_HOST"));
    let built = || {
        let output = flow
            .command(&["build", "--no-check", "--verify", "flow-01"])
            .output()
            .unwrap();
        let line = outcome(&output);
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
    let door = Door::new(&setting("DOCKER_HOST"));
    let registry = registry_of("environments");
    // Two projects are as good as two machines: neither sees what the other keeps.
    let register = |flow: &TestFlow, more: &[&str]| {
        let arguments = [&["register", "flow-01", "--registry", &registry][..], more].concat();
        let line = outcome(&flow.command(&arguments).output().unwrap());
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

/// Has a flow read in a layout what its base is: nothing on this machine stands for the public registry.
fn give_bases(flow: &TestFlow) {
    mirror(
        &flow.root().join("bases"),
        &["--src-tls-verify=false"],
        &format!("docker://{}", setting("FLOWIMAGE_TEST_REGISTRY_BASE")),
    );
    let settings = "[registry]\nbases = \"bases\"\n";
    std::fs::write(flow.root().join("flowimage.toml"), settings).unwrap();
}

#[test]
fn an_environment_that_the_registry_has_needs_no_engine() {
    let registry = registry_of("no-engine");
    let register = |flow: &TestFlow, more: &[&str]| {
        let arguments = ["register", "flow-01", "--no-check", "--registry", &registry];
        let line = outcome(&flow.command(&[&arguments, more].concat()).output().unwrap());
        assert_eq!(line["status"], "registered", "{line:#}");
    };
    let second_machine = |engine: &str| {
        let flow = TestFlow::new("one_environment", engine);
        give_bases(&flow);
        flow
    };
    register(&TestFlow::new("one_environment", &setting("DOCKER_HOST")), &[]);

    // Nothing is pinned, and no engine says what the base's name means.
    let unpinned = second_machine("unix:///nonexistent.sock");
    register(&unpinned, &[]);
    let catalog = std::fs::read_to_string(unpinned.root().join("flowimage.lock")).unwrap();
    assert!(catalog.contains("[base.\"debian:bookworm-slim\"]"), "{catalog}");

    // With the catalog, and other code: the engine that is there is not asked.
    let door = Door::new(&setting("DOCKER_HOST"));
    let pinned = second_machine(&door.address());
    std::fs::write(pinned.root().join("flowimage.lock"), &catalog).unwrap();
    let changed = pinned.changed("the first build of the twenty", "the other build of the twenty");
    register(&pinned, &["--binary", &changed]);
    assert_eq!(door.knocks(), 0);

    // What a pinned base is made of is remembered, and the environment too.
    std::fs::remove_dir_all(pinned.root().join("bases")).unwrap();
    let changed = pinned.changed("the first build of the twenty", "the third build of the twenty");
    register(&pinned, &["--binary", &changed]);
    assert_eq!(door.knocks(), 0);

    // Without a registry that has it, an engine is needed, and it is said what for.
    let alone = second_machine("unix:///nonexistent.sock");
    let line = outcome(&alone.command(&["build", "flow-01"]).output().unwrap());
    let message = line["error"]["message"].as_str().unwrap();
    assert!(message.contains("needs an engine"), "{line:#}");
}

/// Nothing is ever pinned of an author's Dockerfile: what its base is, is looked up each time.
#[test]
fn an_authors_environment_that_the_registry_has_needs_no_engine_the_second_time_either() {
    let registry = registry_of("authors");
    let register = |flow: &TestFlow, status: &str| {
        let arguments = [
            "register",
            "own-dockerfile",
            "--no-check",
            "--registry",
            &registry,
        ];
        let line = outcome(&flow.command(&arguments).output().unwrap());
        assert_eq!(line["status"], status, "{line:#}");
        line["digest"].clone()
    };
    let words = |engine: &str| {
        let flow = TestFlow::new("words", engine);
        flow.copy("words");
        flow
    };
    register(&words(&setting("DOCKER_HOST")), "registered");
    let second_machine = words("unix:///nonexistent.sock");
    give_bases(&second_machine);
    let digest = register(&second_machine, "registered");
    assert_eq!(register(&second_machine, "unchanged"), digest);
}

/// Else environment and image would be those of the files before, for this machine and for all that find them in the
/// registry.
#[test]
fn what_was_built_of_files_that_changed_meanwhile_is_refused() {
    // Once planned; and when the first step is built, on whose image the second stands by a name: its context is not
    // sent yet.
    for when in ["", "/tag"] {
        let file = Arc::new(OnceLock::<PathBuf>::new());
        let greeting = file.clone();
        let door = Door::before(&setting("DOCKER_HOST"), move |request| {
            if request.ends_with(when) {
                std::fs::write(greeting.get().unwrap(), "overtaken").unwrap();
            }
        });
        let flow = TestFlow::new("overtaken", &door.address());
        flow.copy("words");
        let path = file.get_or_init(|| flow.root().join("tests/flows/words/greeting.txt"));
        let before = std::fs::read(path).unwrap();
        let build = || outcome(&flow.command(&["build", "--no-check"]).output().unwrap());
        let is_refused = |line: &Value| {
            let message = line["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains("changed while"), "{when}: {line:#}");
        };
        is_refused(&build());
        // Of what is there now it is built, and remembered as that.
        let line = build();
        assert_eq!(line["status"], "built", "{when}: {line:#}");
        std::fs::write(path, before).unwrap();
        is_refused(&build());
    }
}
