//! The main job without an engine: the example's program in a project of its own.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::process::Command;

use common::{Project, example};
use serde_json::{Value, json};

fn statuses(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["status"].as_str()).collect()
}

/// Digests by flow.
fn digests(lines: &[Value]) -> Vec<String> {
    lines
        .iter()
        .map(|line| format!("{} {}", line["flow"], line["digest"]))
        .collect()
}

#[test]
fn registers_and_loads_in_a_sandbox_without_an_engine() {
    let project = Project::new();
    let (lines, status) = project.json(&[]);
    assert_eq!(
        (statuses(&lines), status),
        (vec!["registered"; 3], 0),
        "{lines:#?}"
    );
    for line in &lines {
        let checks: Vec<_> = line["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (&it["name"], &it["status"]))
            .collect();
        let variables = line["flow"] == "late-departures";
        let expected = [
            ("compiler profile", "warn"),
            ("platform and C library", "pass"),
            ("shared libraries", "pass"),
            ("files", "pass"),
            ("env_vars", "pass"),
            ("user", "pass"),
            ("the flow loads", "pass"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .filter(|(name, _)| variables || *name != "env_vars")
            .map(|(name, status)| (json!(name), json!(status)))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(name, status)| (name, status)).collect();
        assert_eq!(checks, expected, "{line:#}");
    }
    let (again, status) = project.json(&[]);
    assert_eq!((statuses(&again), status), (vec!["unchanged"; 3], 0));
    assert_eq!(digests(&lines), digests(&again));
}

#[test]
fn the_same_image_from_two_folders() {
    let mut seen = Vec::new();
    for mode in ["022", "077"] {
        let project = Project::new();
        for file in ["examples/data/flights.csv", "examples/config/airports.toml"] {
            let path = project.path(file);
            let text = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let script = format!("umask {mode}; cat > \"$0\"");
            let mut child = Command::new("sh")
                .args(["-c", &script])
                .arg(&path)
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
            assert!(child.wait().unwrap().success());
        }
        seen.push(digests(&project.json(&["build", "--no-check"]).0));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].iter().all(|it| it.contains("sha256:")), "{seen:?}");
}

#[test]
fn flows_run_here_with_parameters() {
    let project = Project::new();
    let late = project.run(&["run", "late-departures"]);
    assert_eq!(
        String::from_utf8_lossy(&late.stdout),
        "{\"EWR\":357,\"JFK\":257,\"LGA\":129}\n"
    );
    let delays = project.run(&["run", "carrier-delays", "--param", "day=1"]);
    let delays: Value = serde_json::from_slice(&delays.stdout).unwrap();
    assert_eq!(delays[0]["carrier"], "EV");
    assert_eq!(
        (&delays[0]["flights"], &delays[0]["mean_delay"]),
        (&json!(115), &json!(33.32))
    );
    let sorted = project.run(&["run", "sorted-airlines", "--param", "reverse=true"]);
    let sorted: Value = serde_json::from_slice(&sorted.stdout).unwrap();
    assert_eq!(
        (&sorted[0], sorted.as_array().unwrap().len()),
        (&json!("Virgin America"), 16)
    );
}

#[test]
fn parameters_that_do_not_fit_are_wrong_usage() {
    let project = Project::new();
    for (arguments, wanted) in [
        (&["run", "carrier-delays"][..], "the parameter `day` is missing"),
        (
            &["run", "carrier-delays", "--param", "day=x"],
            "the parameter `day`: invalid type: string \"x\", expected u32",
        ),
        (
            &["run", "carrier-delays", "--param", "day=1", "--param", "zzz=1"],
            "there is no parameter `zzz`, only `day`",
        ),
        (&["run", "carier-delays"], "did you mean `carrier-delays`?"),
        (
            &["run"],
            "say which flow: carrier-delays, late-departures, sorted-airlines",
        ),
        (&["regster"], "unrecognized subcommand"),
    ] {
        let output = project.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains(wanted),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_program_without_flows_says_why() {
    let output = Command::new(example("no_flows")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains("use my_flows as _;"),
        "{said}"
    );
}

#[test]
fn flows_of_a_library_are_found() {
    let output = Command::new(example("library"))
        .args(["describe"])
        .output()
        .unwrap();
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(described["name"], "count-words");
    let output = Command::new(example("library"))
        .args(["run", "--param", "text=a b c"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n");
}

#[test]
fn a_deleted_layout_is_made_again() {
    let project = Project::new();
    let (first, _) = project.json(&["register", "late-departures"]);
    fs::remove_dir_all(project.path("target/flowimage")).unwrap();
    let (second, status) = project.json(&["register", "late-departures"]);
    assert_eq!((statuses(&second), status), (vec!["registered"], 0));
    assert_eq!(digests(&first), digests(&second));
    // One blob gone is noticed as well.
    let blob = second[0]["image_id"].as_str().unwrap().replace("sha256:", "");
    fs::remove_file(project.path("target/flowimage/images/blobs/sha256").join(blob)).unwrap();
    let (third, status) = project.json(&["register", "late-departures"]);
    assert_eq!((statuses(&third), status), (vec!["registered"], 0));
}

#[test]
fn a_catalog_that_cannot_be_used_is_said_before_the_build() {
    let project = Project::new();
    fs::write(project.path("flowimage.lock"), "version = 9\n").unwrap();
    let (lines, status) = project.json(&["register", "late-departures"]);
    assert_eq!((statuses(&lines), status), (vec!["failed"], 1));
    assert_eq!(lines[0]["error"]["stage"], "plan");
    assert!(
        lines[0]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("version 9"),
        "{lines:#?}"
    );
    assert!(!project.path("target/flowimage").exists());
    assert_eq!(
        fs::read_to_string(project.path("flowimage.lock")).unwrap(),
        "version = 9\n"
    );
}

#[test]
fn a_missing_file_fails_its_flow_only() {
    let project = Project::new();
    fs::remove_file(project.path("examples/config/airports.toml")).unwrap();
    let (lines, status) = project.json(&["build", "--no-check"]);
    assert_eq!((statuses(&lines), status), (vec!["built", "failed", "built"], 1));
    assert!(
        lines[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("airports.toml"),
        "{lines:#?}"
    );
}

#[test]
fn changed_files_change_the_image_and_nothing_else_does() {
    let project = Project::new();
    let (first, _) = project.json(&["build", "--no-check"]);
    let config = project.path("examples/config/airports.toml");
    fs::write(&config, "airports = [\"JFK\"]\nlate_after = 15\n").unwrap();
    let (second, _) = project.json(&["build", "--no-check"]);
    let (first, second) = (digests(&first), digests(&second));
    assert_eq!((&first[0], &first[2]), (&second[0], &second[2]));
    assert_ne!(first[1], second[1]);
}

#[test]
fn plan_changes_nothing() {
    let project = Project::new();
    let (lines, status) = project.json(&["plan"]);
    assert_eq!((lines.len(), status), (3, 0));
    let plan = &lines[0]["plan"];
    assert_eq!(plan["base"], "scratch (inferred: nothing needs RUN)");
    assert_eq!(plan["entrypoint"], "the flow itself");
    assert!(!project.path("target/flowimage").exists() && !project.path("flowimage.lock").exists());
}

#[test]
fn plan_says_what_changed_since_the_last_registration() {
    let project = Project::new();
    let plan = |arguments: &[&str]| {
        let (lines, _) = project.json(&[&["plan", "late-departures"], arguments].concat());
        let said = &lines[0]["plan"];
        format!(
            "{}: {}",
            said["action"].as_str().unwrap(),
            said["because"].as_str().unwrap()
        )
    };
    let layout = "layout:target/flowimage/images";
    assert_eq!(
        plan(&[]),
        format!("build, check, push, register: nothing is registered at {layout}")
    );
    project.json(&["register", "late-departures", "--no-check"]);
    assert_eq!(
        plan(&["--no-check"]),
        "nothing, if the target still holds the image: nothing changed since it was registered"
    );
    assert_eq!(
        plan(&[]),
        "build, check, push, register: it was registered without health checks"
    );
    let config = project.path("examples/config/airports.toml");
    fs::write(&config, "airports = [\"JFK\"]\nlate_after = 15\n").unwrap();
    fs::remove_file(project.path("examples/data/weather.csv")).unwrap();
    let said = plan(&["--no-check"]);
    assert!(said.starts_with("build, push, register: file /"), "{said}");
    assert!(said.contains("airports.toml changed"), "{said}");
    assert!(!said.contains("binary"), "{said}");
    assert_eq!(
        plan(&["--output", "elsewhere"]),
        "build, check, push, register: nothing is registered at layout:elsewhere"
    );
}

#[test]
fn what_was_registered_unchecked_is_checked_when_checks_are_wanted() {
    let project = Project::new();
    let register = |arguments: &[&str]| {
        let (lines, _) = project.json(&[&["register", "late-departures"], arguments].concat());
        (
            lines[0]["status"].clone(),
            lines[0]["checks"].as_array().unwrap().len(),
        )
    };
    assert_eq!(register(&["--no-check"]), (json!("registered"), 0));
    assert_eq!(register(&["--no-check"]), (json!("unchanged"), 0));
    assert_eq!(register(&[]), (json!("registered"), 7));
    assert_eq!(register(&[]), (json!("unchanged"), 0));
    assert_eq!(register(&["--no-check"]), (json!("unchanged"), 0));
}
