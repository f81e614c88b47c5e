//! What images say of themselves, read from the layout without flowimage.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;

use common::Project;
use flowimage_runtime::layout::Layout;
use flowimage_runtime::oci::{Image, Platform};
use serde_json::{Value, json};

/// The configuration of a flow's image in the project's layout.
fn config(project: &Project, line: &Value) -> Value {
    let hex = line["image_id"].as_str().unwrap().replace("sha256:", "");
    let path = project.path("target/flowimage/images/blobs/sha256").join(hex);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn build(project: &Project) -> Vec<Value> {
    let (lines, status) = project.json(&["build", "--no-check"]);
    assert_eq!(status, 0, "{lines:#?}");
    lines
        .into_iter()
        .filter(|line| line["status"] == "built")
        .collect()
}

#[test]
fn an_image_says_what_is_in_it() {
    let project = Project::new();
    let (described, _) = project.json(&["describe"]);
    for (line, described) in build(&project).iter().zip(&described) {
        let name = described["name"].as_str().unwrap();
        let text = |value: Value| Value::String(json!({ name: value }).to_string());
        assert_eq!(
            config(&project, line)["config"]["Labels"],
            json!({
                "org.opencontainers.image.title": name,
                "org.opencontainers.image.description": described["description"],
                "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
                "dev.flowimage.flows": name,
                "dev.flowimage.declarations": text(described["declaration_hash"].clone()),
                "dev.flowimage.parameters": text(described["parameters"].clone()),
            })
        );
        assert!(
            described["description"].as_str().unwrap().len() > 20,
            "{described:#}"
        );
    }
}

#[test]
fn nothing_changes_from_build_to_build() {
    let project = Project::new();
    let first = build(&project);
    let configs: Vec<_> = first.iter().map(|line| config(&project, line)).collect();
    // Nothing is remembered, and the files are as new as can be.
    fs::remove_dir_all(project.path("target/flowimage")).unwrap();
    for file in ["examples/data/flights.csv", "examples/config/airports.toml"] {
        let text = fs::read(project.path(file)).unwrap();
        fs::write(project.path(file), text).unwrap();
    }
    let second = build(&project);
    assert_eq!(first, second);
    let again: Vec<_> = second.iter().map(|line| config(&project, line)).collect();
    assert_eq!(configs, again);
}

/// The image in a layout of its own, with other labels.
fn relabelled(project: &Project, line: &Value, labels: &Value, folder: &Path) {
    let layout = Layout::open(project.path("target/flowimage/images")).unwrap();
    let digest = line["digest"].as_str().unwrap().parse().unwrap();
    let image = layout.read_image(&digest).unwrap();
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    config["config"]["Labels"] = labels.clone();
    let image = Image::new(serde_json::to_vec(&config).unwrap(), image.layers);
    let other = Layout::open(folder).unwrap();
    other
        .write_image(&image, "late-departures", &Platform::of_this_program())
        .unwrap();
}

#[test]
fn no_health_check_believes_a_label() {
    let project = Project::new();
    let built = build(&project);
    let line = built
        .iter()
        .find(|line| line["flow"] == "late-departures")
        .unwrap();
    let checks = |name: &str, labels: Value| {
        let folder = project.path(name);
        relabelled(&project, line, &labels, &folder);
        let image = format!("oci:{}", folder.display());
        let (lines, status) = project.json(&["check", "late-departures", "--image", &image]);
        assert_eq!(status, 0, "{lines:#?}");
        lines[0]["checks"].clone()
    };
    let lies = json!({
        "dev.flowimage.flows": "another",
        "dev.flowimage.declarations": "{\"another\":\"sha256:0\"}",
        "dev.flowimage.parameters": "no JSON",
        "org.opencontainers.image.title": "",
    });
    let with_lies = checks("lies", lies);
    assert_eq!(with_lies, checks("none", Value::Null));
    let loads = with_lies.as_array().unwrap().iter();
    assert!(
        loads
            .filter(|check| check["status"] == "pass")
            .any(|check| check["name"] == "the flow loads"),
        "{with_lies:#}"
    );
}
