//! Environments on a real engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::test_flow::TestFlow;
use crate::{docker, output, setting};

/// The outcome of each flow of a command: the last object that names it.
fn outcomes(output: &Output) -> BTreeMap<String, Value> {
    let lines = String::from_utf8_lossy(&output.stdout);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| (line["flow"].as_str().unwrap().to_owned(), line))
        .collect()
}

fn make_python() {
    output(Command::new(setting("FLOWIMAGE_TEST_KIT")).args(["image", "python"]));
}

/// What of a message differs from run to run.
fn steady(flow: &str, text: &str) -> String {
    if flow == "base-registry-unresolved" {
        // ` on 192.0.2.1:53:`
        let server = text.split_whitespace().find(|word| word.ends_with(":53:"));
        return server.map_or(text.to_owned(), |server| text.replace(server, "SERVER:"));
    }
    // pip and apt write to both streams, in no certain order: the head, and of pip what is called an error.
    let (pip, apt) = (flow.starts_with("python-package"), flow.starts_with("mirror-"));
    if !pip && !apt {
        return text.to_owned();
    }
    let is_head = |line: &str| !line.starts_with("    ") || line.contains(" | ");
    let (head, output): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| is_head(line));
    let told = output
        .into_iter()
        .filter(|line| apt || line.to_lowercase().contains("error: "));
    let told: std::collections::BTreeSet<&str> = told.map(str::trim).collect();
    [head, told.into_iter().collect()].concat().join("\n")
}

#[test]
fn broken_environments_are_said_with_line_key_and_cure() {
    make_python();
    let flows = TestFlow::new("broken", &setting("DOCKER_HOST"));
    flows.copy("broken");
    let ended = flows
        .command(&["build", "--no-check", "--jobs", "4"])
        .env_remove("FLOWIMAGE_TEST_UNSET")
        .output()
        .unwrap();
    let mut text = String::new();
    let outcomes = outcomes(&ended);
    for (flow, line) in &outcomes {
        let said = |key: &str| steady(flow, line["error"][key].as_str().unwrap_or("none"));
        text.push_str(&format!(
            "== {flow}\n{}\nadvice: {}\n\n",
            said("message"),
            said("advice")
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/broken.txt");
    if std::env::var_os("FLOWIMAGE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let wrong = "FLOWIMAGE_BLESS=1 writes broken.txt anew";
    for (said, expected) in text.split("\n\n").zip(expected.split("\n\n")) {
        assert!(said == expected, "{wrong}\n{said}\n\nin place of\n\n{expected}");
    }
    assert_eq!(text.len(), expected.len(), "{wrong}");
    assert!(outcomes.len() >= 20);
    assert_eq!(ended.status.code(), Some(1));

    let label = format!("label=dev.flowimage.project={}", flows.mark());
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]), "");
    assert_eq!(docker(&["images", "-aq", "--filter", &label]), "");
}

/// The events of a command with `--progress json`, by their name.
fn events(output: &Output) -> BTreeMap<String, Vec<Value>> {
    let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(event) = line["event"].as_str() {
            events.entry(event.to_owned()).or_default().push(line.clone());
        }
    }
    events
}

#[test]
fn an_interrupt_cancels_the_build_and_leaves_nothing() {
    let flow = TestFlow::new("interrupted", &setting("DOCKER_HOST"));
    let child = flow
        .command(&["build", "--progress", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(120);
    let inside = || {
        std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
            std::fs::read(process.path().join("cmdline")).is_ok_and(|said| said == b"sleep\x0030.0418\0")
        })
    };
    while !inside() {
        assert!(Instant::now() < limit, "the step never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
    output(Command::new("kill").args(["-INT", &child.id().to_string()]));
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let line = &outcomes(&ended)["interrupted"];
    assert_eq!(line["status"], "failed", "{line:#}");
    assert!(
        line["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("interrupted"),
        "{line:#}"
    );
    while inside() {
        assert!(Instant::now() < limit, "the step still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    let label = format!("label=dev.flowimage.project={}", flow.mark());
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]), "");
    assert_eq!(docker(&["images", "-aq", "--filter", &label]), "");
}

#[test]
fn a_context_of_a_gibibyte_takes_little_memory() {
    takes_little_memory("large-context");
}

#[test]
fn a_context_of_a_gibibyte_takes_little_memory_beside_a_secret() {
    takes_little_memory("large-context-and-secret");
}

fn takes_little_memory(name: &str) {
    const LIMIT: u64 = 64 << 10;
    let flow = TestFlow::new("large_context", &setting("DOCKER_HOST"));
    let package = flow.root().join("tests/flows");
    std::fs::write(package.join("large.Dockerfile"), large_dockerfile()).unwrap();
    std::fs::create_dir(package.join("data")).unwrap();
    let large = std::fs::File::create(package.join("data/large")).unwrap();
    large.set_len(1 << 30).unwrap();
    // A small program in the flow's place: taking debug sections out of a large one is not what is measured.
    let arguments = [
        "build",
        name,
        "--no-check",
        "--progress",
        "json",
        "--binary",
        "/bin/sh",
    ];
    let mut command = flow.command(&arguments);
    let ended = command
        .env("FLOWIMAGE_TEST_TOKEN", "open-sesame")
        .output()
        .unwrap();
    let line = &outcomes(&ended)[name];
    assert_eq!(line["status"], "built", "{line:#}");
    let sent = events(&ended)["context"]
        .iter()
        .filter_map(|event| event["bytes"].as_u64())
        .max();
    assert!(sent.unwrap() > 1_000_000_000, "{sent:?}");
    let said = String::from_utf8_lossy(&ended.stderr);
    let peak = said.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < LIMIT, "{peak} kB");
}

fn large_dockerfile() -> &'static str {
    include_str!("../flows/large.Dockerfile")
}

#[test]
fn bundled_libraries_run_on_a_base_without_any() {
    let registry = format!("{}/bundled", setting("FLOWIMAGE_TEST_REGISTRY"));
    let flow = TestFlow::new("bundled", &setting("DOCKER_HOST"));
    let ended = flow
        .command(&["register", "--registry", &registry])
        .output()
        .unwrap();
    let line = &outcomes(&ended)["bundled"];
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap();
    docker(&["pull", "-q", image]);
    let said = docker(&["run", "--rm", "--network=none", image]);
    assert_eq!(said, "\"libc on the base: false\"\n");
}
