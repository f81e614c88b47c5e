//! `build --verify`: the same image twice, or what differs by name.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use common::Project;
use serde_json::{Value, json};

fn build(project: &Project, arguments: &[&str]) -> (Value, i32) {
    let (mut lines, status) =
        project.json(&[&["build", "late-departures", "--no-check"], arguments].concat());
    (lines.pop().unwrap(), status)
}

/// Changes a declared file and builds; the record of the layer that is new.
fn record_of(project: &Project, airport: &str) -> PathBuf {
    let records = || -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(project.path("target/flowimage/layers")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let before = records();
    let text = format!("airports = [\"{airport}\"]\nlate_after = 15\n");
    fs::write(project.path("examples/config/airports.toml"), text).unwrap();
    assert_eq!(build(project, &[]).0["status"], "built");
    let mut new = records().difference(&before).cloned().collect::<Vec<_>>();
    assert_eq!(new.len(), 1, "{new:?}");
    new.remove(0)
}

/// Names of what lies in the products.
fn products(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("target/flowimage")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn two_builds_give_the_same_bytes() {
    let project = Project::new();
    let (first, _) = build(&project, &[]);
    let (verified, status) = build(&project, &["--verify"]);
    assert_eq!((&verified["verified"], status), (&json!(true), 0), "{verified:#}");
    assert_eq!(verified["digest"], first["digest"]);
    assert!(first.get("verified").is_none());
    let left = products(&project);
    assert!(!left.iter().any(|name| name.starts_with("verify")), "{left:?}");
}

#[test]
fn what_is_remembered_wrongly_is_found_and_named() {
    let project = Project::new();
    build(&project, &[]);
    let (newark, la_guardia) = (record_of(&project, "EWR"), record_of(&project, "LGA"));
    // The layer of what the file holds now is remembered as that of what it held before.
    fs::copy(newark, la_guardia).unwrap();
    let (line, status) = build(&project, &["--verify"]);
    assert_eq!((&line["status"], status), (&json!("failed"), 1), "{line:#}");
    assert_eq!(line["error"]["stage"], "build");
    let message = line["error"]["message"].as_str().unwrap();
    let wanted = "layer 2 of 3: /etc/flow/airports.toml has other content (";
    assert!(message.contains(wanted), "{message}");
    assert!(!message.contains("flights.csv"), "{message}");
    let left = products(&project);
    assert!(!left.iter().any(|name| name.starts_with("verify")), "{left:?}");

    // As it is told.
    fs::remove_dir_all(project.path("target/flowimage")).unwrap();
    assert_eq!(build(&project, &["--verify"]).0["verified"], true);
}

#[test]
fn a_damaged_blob_is_found_and_named() {
    let project = Project::new();
    build(&project, &[]);
    let record = fs::read(record_of(&project, "EWR")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let hex = record["blob"]["digest"].as_str().unwrap().replace("sha256:", "");
    let blob = project.path("target/flowimage/images/blobs/sha256").join(hex);
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let (line, status) = build(&project, &["--verify"]);
    assert_eq!(status, 1, "{line:#}");
    let message = line["error"]["message"].as_str().unwrap();
    assert!(message.contains("layer 2 of 3 lies damaged in "), "{message}");
}
