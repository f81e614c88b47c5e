//! What must run runs without an engine too, in a sandbox of the system.

use std::fs;
use std::process::Command;

use serde_json::Value;

#[test]
fn every_task_runs_in_the_sandbox_and_checks_of_one_name_are_told_apart() {
    let project = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(project.path().join("target")).unwrap();
    fs::write(project.path().join("Cargo.toml"), "[package]\nname = \"p\"\n").unwrap();
    let program = project.path().join("target/sandboxed");
    fs::hard_link(env!("CARGO_BIN_EXE_sandboxed"), &program).unwrap();
    let output = Command::new(&program)
        .args(["register", "--json"])
        .current_dir(project.path())
        .env("DOCKER_HOST", "unix:///nonexistent")
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .unwrap();
    let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let of = |name: &str| {
        let mut checks = line["checks"].as_array().unwrap().iter();
        let found = checks.find(|check| check["name"] == name);
        found.map(|check| {
            (
                check["status"].as_str().unwrap(),
                check["detail"].as_str().unwrap(),
            )
        })
    };
    let status = |name: &str| of(name).map(|(status, _)| status);
    assert_eq!(status("the flow loads"), Some("pass"), "{line:#}");
    assert_eq!(
        status("health_checks: /opt/flow/flow describe"),
        Some("pass"),
        "{line:#}"
    );
    assert_eq!(status("dry run"), Some("pass"), "{line:#}");
    assert_eq!(
        of("Rust health check: sandboxed::of_the_system::ready"),
        Some(("pass", "healthy")),
        "{line:#}"
    );
    assert_eq!(
        of("Rust health check: sandboxed::of_the_weather::ready"),
        Some(("fail", "it rains")),
        "{line:#}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        !project.path().join("flowimage.lock").exists(),
        "nothing unhealthy is registered"
    );
}
