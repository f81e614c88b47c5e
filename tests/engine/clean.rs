//! `clean` on an engine: what this project left and nothing needs, and nothing else.

use serde_json::Value;

use crate::setting;
use crate::test_flow::TestFlow;

fn docker(arguments: &[&str]) -> String {
    crate::docker(arguments).trim().to_owned()
}

/// The IDs of the project's images in the engine.
fn images(flow: &TestFlow) -> String {
    let label = format!("label=dev.flowimage.project={}", flow.mark());
    docker(&["images", "-aq", "--no-trunc", "--filter", &label])
}

fn run(flow: &TestFlow, arguments: &[&str]) -> Vec<Value> {
    let output = flow.command(arguments).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{lines}");
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn only_what_this_project_left_and_nothing_needs_is_removed() {
    let [ours, others] = [(); 2].map(|()| TestFlow::new("one_environment", &setting("DOCKER_HOST")));
    run(&ours, &["register", "--no-check"]);
    run(&others, &["build", "--no-check"]);
    let (our_images, other_images) = (images(&ours), images(&others));
    assert!(!our_images.is_empty() && !other_images.is_empty());
    // No label, and no name either.
    let container = docker(&["create", &setting("FLOWIMAGE_TEST_BASE"), "true"]);
    let unlabelled = docker(&[
        "commit",
        "--message",
        &format!("{}", std::process::id()),
        &container,
    ]);
    docker(&["rm", &container]);
    let there = |id: &str| docker(&["images", "-aq", "--no-trunc"]).contains(id);

    // Registered flows need their environment.
    let last = run(&ours, &["clean"]).pop().unwrap();
    assert_eq!(last["engine"]["status"], "cleaned", "{last:#}");
    assert_eq!(images(&ours), our_images);

    std::fs::remove_file(ours.root().join("flowimage.lock")).unwrap();
    let mut lines = run(&ours, &["clean"]);
    let last = lines.pop().unwrap();
    assert_eq!(images(&ours), "", "{lines:#?}");
    let removed: Vec<_> = lines
        .iter()
        .filter(|it| it["removed"] == "engine image")
        .collect();
    assert!(
        our_images
            .lines()
            .all(|id| removed.iter().any(|it| it["name"] == id)),
        "{lines:#?}"
    );
    assert!(last["engine"]["bytes"].as_u64().unwrap() > 0, "{last:#}");
    assert_eq!(images(&others), other_images);
    assert!(there(&unlabelled));
    assert!(there(&docker(&[
        "images",
        "-q",
        "--no-trunc",
        &setting("FLOWIMAGE_TEST_BASE")
    ])));
    docker(&["rmi", &unlabelled]);
}
