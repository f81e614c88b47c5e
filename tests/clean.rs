//! The command `clean`, without an engine.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::Project;
use serde_json::{Value, json};

fn register(project: &Project) -> Vec<Value> {
    let (lines, status) = project.json(&["register", "--no-check"]);
    assert_eq!(status, 0, "{lines:#?}");
    lines.into_iter().filter(|it| it["status"].is_string()).collect()
}

fn statuses(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["status"].as_str()).collect()
}

/// Changes what the flow `late-departures` copies.
fn change(project: &Project, airport: &str) {
    let text = format!("airports = [\"{airport}\"]\nlate_after = 15\n");
    fs::write(project.path("examples/config/airports.toml"), text).unwrap();
}

/// Bytes of the files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => bytes_below(&entry.path()),
            metadata => metadata.len(),
        })
        .sum()
}

fn clean(project: &Project) -> (Vec<Value>, Value) {
    let (mut lines, status) = project.json(&["clean"]);
    assert_eq!(status, 0, "{lines:#?}");
    let last = lines.pop().unwrap();
    assert_eq!(
        (&last["status"], &last["count"]),
        (&json!("cleaned"), &json!(lines.len()))
    );
    (lines, last)
}

#[test]
fn what_the_catalog_needs_stays_and_the_rest_is_told_to_the_byte() {
    let project = Project::new();
    let products = project.path("target/flowimage");
    register(&project);
    change(&project, "EWR");
    let registered = register(&project);
    change(&project, "LGA");
    // Built and not registered.
    let (built, _) = project.json(&["build", "late-departures", "--no-check"]);
    assert_eq!(statuses(&built), ["built"]);
    change(&project, "EWR");

    // What a killed check left, with modes as images have them, and what somebody else put there.
    let dead = products.join("roots/root-dead");
    fs::create_dir_all(dead.join("usr/share")).unwrap();
    fs::write(dead.join("usr/share/x"), "12345").unwrap();
    fs::set_permissions(dead.join("usr"), fs::Permissions::from_mode(0o555)).unwrap();
    std::os::unix::fs::symlink(project.path("examples"), dead.join("out")).unwrap();
    fs::write(products.join("images/tmp/blob-dead"), "123").unwrap();
    fs::write(products.join("images/blobs/sha256/notes.txt"), "mine").unwrap();
    fs::write(products.join("notes.txt"), "mine").unwrap();

    let before = bytes_below(&project.path("."));
    let (removed, last) = clean(&project);
    let freed = before - bytes_below(&project.path("."));
    // The link's own bytes are none of a file's.
    let link = removed.iter().any(|it| it["name"] == "roots/root-dead");
    assert!(link && !dead.exists(), "{removed:#?}");
    assert_eq!(last["bytes"], freed, "{removed:#?}");
    assert!(freed > 0);
    let blobs = removed.iter().filter(|it| it["removed"] == "blob").count();
    // Of each of the two images that are not registered: manifest, configuration, the layer of files; and the half one.
    assert_eq!(blobs, 7, "{removed:#?}");
    assert_eq!(last["engine"]["status"], "skipped");
    assert!(
        last["engine"]["reason"].as_str().unwrap().contains("nonexistent"),
        "{last:#}"
    );
    for mine in ["images/blobs/sha256/notes.txt", "notes.txt"] {
        assert_eq!(fs::read_to_string(products.join(mine)).unwrap(), "mine");
    }
    assert!(project.path("examples/data/flights.csv").exists());

    assert_eq!(clean(&project).0, Vec::<Value>::new());
    let again = register(&project);
    assert_eq!(statuses(&again), vec!["unchanged"; 3], "{again:#?}");
    for (before, after) in registered.iter().zip(&again) {
        assert_eq!(before["digest"], after["digest"]);
    }
    // What went is made again.
    change(&project, "LGA");
    let (rebuilt, _) = project.json(&["build", "late-departures", "--no-check"]);
    assert_eq!(rebuilt[0]["digest"], built[0]["digest"]);
}

#[test]
fn people_are_told_by_kind() {
    let project = Project::new();
    let (lines, _) = project.json(&["build", "late-departures", "--no-check"]);
    assert_eq!(statuses(&lines), ["built"]);
    let said = project.run(&["clean"]);
    let text = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.success() && said.stdout.is_empty(), "{text}");
    for wanted in [
        "MB  blob\n",
        "are free again on this disk\n",
        "engine: left out: ",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn a_command_at_work_is_left_alone() {
    let project = Project::new();
    project.json(&["build", "late-departures", "--no-check"]);
    let before = bytes_below(&project.path("target"));
    let sign = fs::File::open(project.path("target/flowimage/work.lock")).unwrap();
    sign.lock_shared().unwrap();
    let (lines, status) = project.json(&["clean"]);
    assert_eq!((statuses(&lines), status), (vec!["failed"], 1));
    let message = lines[0]["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("another command of this project is at work"),
        "{message}"
    );
    assert_eq!(bytes_below(&project.path("target")), before);
    drop(sign);
    assert!(clean(&project).1["bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_catalog_that_cannot_be_read_says_nothing_of_what_is_needed() {
    let project = Project::new();
    register(&project);
    let before = bytes_below(&project.path("target"));
    fs::write(project.path("flowimage.lock"), "version = 9\n").unwrap();
    let (lines, status) = project.json(&["clean"]);
    assert_eq!((statuses(&lines), status), (vec!["failed"], 1));
    let message = lines[0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("version 9"), "{message}");
    assert_eq!(bytes_below(&project.path("target")), before);
}

/// As with one `CARGO_TARGET_DIR` for all: the program lies in one place, the projects elsewhere.
#[test]
fn another_projects_images_in_the_same_products_stay_as_long_as_it_is_there() {
    let (one, other) = (Project::new(), Project::new());
    change(&other, "EWR");
    register(&one);
    let in_other = |arguments: &[&str]| {
        let mut command = one.command(arguments);
        command.arg("--json").current_dir(other.path("."));
        let output = command.output().unwrap();
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        line["status"].clone()
    };
    let late = ["register", "late-departures", "--no-check"];
    assert_eq!(in_other(&late), "registered");
    assert_eq!(clean(&one).0, Vec::<Value>::new());
    assert_eq!(in_other(&late), "unchanged");
    fs::remove_file(other.path("flowimage.lock")).unwrap();
    let (removed, _) = clean(&one);
    assert!(removed.iter().any(|it| it["removed"] == "blob"), "{removed:#?}");
    let (again, _) = one.json(&["register", "carrier-delays", "--no-check"]);
    assert_eq!(again[0]["status"], "unchanged");
}
