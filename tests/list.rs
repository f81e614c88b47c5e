//! `list` without an engine and without a server.

#[path = "common/mod.rs"]
mod common;

use common::Project;
use serde_json::{Value, json};

const FLOW: &str = "late-departures";

fn listed(project: &Project) -> Value {
    let (lines, status) = project.json(&["list"]);
    assert_eq!(status, 0, "{lines:#?}");
    lines.into_iter().find(|line| line["flow"] == FLOW).unwrap()
}

fn digest(project: &Project, command: &[&str]) -> Value {
    let (lines, status) = project.json(&[command, &["--no-check", FLOW]].concat());
    assert_eq!(status, 0, "{lines:#?}");
    lines.last().unwrap()["digest"].clone()
}

#[test]
fn what_was_built_last_and_what_is_registered_are_told_apart() {
    let project = Project::new();
    let before = listed(&project);
    assert_eq!(
        (&before["built"], &before["registered"]),
        (&Value::Null, &json!({}))
    );

    let built = digest(&project, &["build"]);
    let after = listed(&project);
    assert_eq!((&after["built"], &after["registered"]), (&built, &json!({})));

    let registered = digest(&project, &["register"]);
    assert_eq!(registered, built);
    // Another file in the image: built, and not registered yet.
    let config = project.path("examples/config/airports.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "# more\n").unwrap();
    let newer = digest(&project, &["build"]);
    assert_ne!(newer, registered);
    let now = listed(&project);
    let of: Vec<_> = now["registered"].as_object().unwrap().values().collect();
    assert_eq!((&now["built"], of), (&newer, vec![&registered]));
}
