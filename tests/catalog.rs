//! The catalog in the hands of several processes, versions and profiles.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::process::{Child, Stdio};

use common::Project;
use serde_json::Value;

const LATE: [&str; 3] = ["register", "late-departures", "--no-check"];

fn catalog(project: &Project) -> toml::Table {
    toml::from_str(&fs::read_to_string(project.path("flowimage.lock")).unwrap()).unwrap()
}

/// What the catalog has of a flow, by target.
fn targets(catalog: &toml::Table, flow: &str) -> toml::Table {
    catalog["flow"][flow].as_table().unwrap().clone()
}

fn status(project: &Project, arguments: &[&str]) -> Value {
    let (mut lines, _) = project.json(arguments);
    let line = lines.pop().unwrap();
    assert_ne!(line["status"], "failed", "{line:#}");
    line["status"].clone()
}

#[test]
fn processes_that_register_at_the_same_time_lose_and_break_nothing() {
    const PROCESSES: usize = 6;
    let project = Project::new();
    // From now on every process has the layers, and all come to the catalog at once.
    let (first, _) = project.json(&["register", "--no-check"]);
    for round in 0..3 {
        let folder = |number: usize| format!("out-{round}-{number}");
        let mut children: Vec<Child> = (0..PROCESSES)
            .map(|number| {
                let mut command = project.command(&["register", "--no-check", "--output", &folder(number)]);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                command.spawn().unwrap()
            })
            .collect();
        // At every moment the file is whole, and what it had it has.
        let mut most = 0;
        while children
            .iter_mut()
            .any(|child| child.try_wait().unwrap().is_none())
        {
            let now = targets(&catalog(&project), "late-departures").len();
            assert!(now >= most, "{now} after {most}");
            most = now;
        }
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let catalog = catalog(&project);
        for line in first.iter().filter(|line| line["status"].is_string()) {
            let targets = targets(&catalog, line["flow"].as_str().unwrap());
            assert_eq!(targets.len(), 1 + (round + 1) * PROCESSES, "{targets:#?}");
            for number in 0..PROCESSES {
                let start = format!("layout:{} ", folder(number));
                let found = targets.iter().find(|(target, _)| target.starts_with(&start));
                let (_, registration) = found.unwrap_or_else(|| panic!("no {start}: {targets:#?}"));
                assert_eq!(registration["digest"].as_str(), line["digest"].as_str());
            }
        }
    }
}

#[test]
fn what_a_newer_flowimage_wrote_survives() {
    let project = Project::new();
    status(&project, &LATE);
    let text = fs::read_to_string(project.path("flowimage.lock")).unwrap();
    let newer = text.replace("image_id", "signature = \"abc\"\nimage_id") + "\n[keys]\nrelease = [1, 2]\n";
    fs::write(project.path("flowimage.lock"), &newer).unwrap();
    assert_eq!(status(&project, &LATE), "unchanged");
    assert_eq!(
        status(&project, &["register", "sorted-airlines", "--no-check"]),
        "registered"
    );
    // Also where the flow is registered anew: what is not understood is not ours to drop.
    fs::write(
        project.path("examples/config/airports.toml"),
        "airports = [\"JFK\"]\nlate_after = 15\n",
    )
    .unwrap();
    assert_eq!(status(&project, &LATE), "registered");
    let after = catalog(&project);
    assert_eq!(after["keys"]["release"].as_array().unwrap().len(), 2);
    let kept = targets(&after, "late-departures");
    let (_, registration) = kept.iter().next().unwrap();
    assert_eq!(registration["signature"].as_str(), Some("abc"));
    assert_eq!(after["flow"].as_table().unwrap().len(), 2);
}

#[test]
fn a_catalog_of_another_version_is_refused_with_the_reason_by_every_command_that_needs_it() {
    let project = Project::new();
    for (text, wanted) in [
        (
            "version = 2\n[flow]\n",
            "it has version 2, this flowimage knows version 1",
        ),
        ("[flow]\n", "it names no version"),
        ("version = 1\n[flow\n", "flowimage.lock cannot be used: "),
    ] {
        fs::write(project.path("flowimage.lock"), text).unwrap();
        for command in [&LATE[..], &["plan", "late-departures"], &["list"], &["clean"]] {
            let (lines, status) = project.json(command);
            let error = &lines[0]["error"];
            let message = error["message"].as_str().unwrap_or_default();
            assert!(status == 1 && message.contains(wanted), "{command:?}: {lines:#?}");
            assert!(
                error["advice"].as_str().unwrap().contains("version control"),
                "{error:#}"
            );
        }
        assert_eq!(fs::read_to_string(project.path("flowimage.lock")).unwrap(), text);
    }
}

#[test]
fn profiles_with_one_target_have_each_their_entry() {
    let project = Project::new();
    fs::write(
        project.path("flowimage.toml"),
        "[profile.staging]\nwork_pool = \"small\"\n[profile.production]\nwork_pool = \"large\"\n",
    )
    .unwrap();
    let register = |profile: &str| status(&project, &[&LATE[..], &["--profile", profile]].concat());
    assert_eq!(register("staging"), "registered");
    let staging = targets(&catalog(&project), "late-departures");
    assert_eq!(register("production"), "registered");
    let both = targets(&catalog(&project), "late-departures");
    assert_eq!(both.len(), 2, "{both:#?}");
    for (target, registration) in &staging {
        assert_eq!(both.get(target), Some(registration));
    }
    for profile in ["staging", "production", "staging"] {
        assert_eq!(register(profile), "unchanged", "{profile}");
    }
    assert_eq!(targets(&catalog(&project), "late-departures"), both);
}
