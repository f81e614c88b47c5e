//! `flowimage.toml` from the compiler to the command line.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::process::Command;

use common::{Project, example};
use serde_json::Value;

#[test]
fn keys_of_the_file_are_compiled_in() {
    let output = Command::new(example("library"))
        .args(["describe", "count-words"])
        .output()
        .unwrap();
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    // From [image.words], from [defaults], and from the attribute over both.
    assert_eq!(described["labels"]["com.example.team"], "words");
    assert_eq!(described["work_pool"], "examples");
    assert_eq!(described["tags"], serde_json::json!(["text"]));
    assert_eq!(described["image"], "words");
}

#[test]
fn a_program_that_saw_another_file_is_refused() {
    let project = Project::new();
    fs::write(project.path("flowimage.toml"), "[profile.x]\n").unwrap();
    assert_eq!(project.json(&["plan"]).1, 0, "nothing of this is compiled in");
    fs::write(project.path("flowimage.toml"), "[defaults]\nuser = \"7\"\n").unwrap();
    let (lines, status) = project.json(&["plan"]);
    assert_eq!((lines.len(), status), (3, 1));
    let error = &lines[0]["error"];
    let said = error["message"].as_str().unwrap();
    assert!(
        said.contains("flowimage.toml says other things of `carrier-delays`"),
        "{said}"
    );
    let advice = error["advice"].as_str().unwrap();
    assert!(advice.contains("compile it again"), "{advice}");
}

#[test]
fn a_folder_that_was_a_file_is_refused() {
    let project = Project::new();
    let file = project.path("examples/data/airlines.csv");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let (lines, status) = project.json(&["plan"]);
    let said: Vec<_> = lines
        .iter()
        .filter_map(|line| line["error"]["message"].as_str())
        .collect();
    assert_eq!(status, 1);
    assert!(
        said.iter()
            .any(|it| it.ends_with("was a file when this program was compiled, and is a folder now")),
        "{lines:#?}"
    );
}

#[test]
fn profiles_stand_between_command_line_and_declaration() {
    let project = Project::new();
    fs::write(
        project.path("flowimage.toml"),
        "[profile.prod]\nregistry_url = \"registry.example:5000/prod\"\n",
    )
    .unwrap();
    let target = |arguments: &[&str]| {
        let (lines, _) = project.json(&[&["plan", "late-departures"], arguments].concat());
        lines[0]["plan"]["target"].as_str().unwrap().to_owned()
    };
    assert!(target(&[]).starts_with("layout:"));
    assert_eq!(
        target(&["--profile", "prod"]),
        "registry.example:5000/prod/late-departures"
    );
    assert_eq!(
        target(&["--profile", "prod", "--registry", "other.example"]),
        "other.example/late-departures"
    );
}

#[test]
fn mistakes_of_the_file_are_wrong_usage() {
    let project = Project::new();
    for (text, arguments, wanted) in [
        (
            "[engine]\nhos = \"x\"\n",
            &[][..],
            "flowimage.toml:2:1: unknown key `hos`\nadvice: did you mean `host`?",
        ),
        (
            "[profile.a]\nfiles = {}\n",
            &[],
            "flowimage.toml:2:1: unknown key `files`",
        ),
        ("[profile.a]\n", &["--profile", "b"], "there is no `[profile.b]`"),
        ("[engines]\n", &[], "flowimage.toml:1:2: unknown table `engines`"),
        ("a = [\n", &[], "flowimage.toml:"),
    ] {
        fs::write(project.path("flowimage.toml"), text).unwrap();
        let output = project.run(&[&["plan"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains(wanted),
            "{text}: {said}"
        );
    }
}
