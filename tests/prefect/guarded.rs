//! A server of its own, which wants to know who asks, and which is stopped and started while a flow runs.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::Server;
use crate::test_flow::TestFlow;
use crate::{output, setting};

const LOGIN: &str = "admin:a-password";

/// The test kit, with the login for the server and for what asks it.
fn kit(arguments: &[&str]) -> String {
    let mut kit = Command::new(setting("FLOWIMAGE_TEST_KIT"));
    kit.args(arguments)
        .env("PREFECT_SERVER_API_AUTH_STRING", LOGIN)
        .env("PREFECT_API_AUTH_STRING", LOGIN);
    output(&mut kit)
}

fn register(flow: &TestFlow, url: &str, login: Option<&str>) -> Output {
    let mut command = flow.command(&["register", "talks", "meets", "--no-check", "--no-push"]);
    command
        .args(["--work-pool", "guarded", "--create-work-pool", "process"])
        .env("PREFECT_API_URL", url);
    if let Some(login) = login {
        command.env("PREFECT_API_AUTH_STRING", login);
    }
    command.output().unwrap()
}

fn wait_for(file: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < until, "no {}", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_behind_a_login_that_goes_away_in_mid_run_gets_all_reports() {
    let url = kit(&["prefect", "guarded"]).trim().to_owned();
    let flow = TestFlow::new("watched", &setting("DOCKER_HOST"));
    for (login, advice) in [
        (None, "set PREFECT_API_AUTH_STRING"),
        (Some("admin:another"), "check PREFECT_API_AUTH_STRING"),
    ] {
        let refused = register(&flow, &url, login);
        let said = String::from_utf8(refused.stdout).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(advice), "{said}");
    }
    let registered = register(&flow, &url, Some(LOGIN));
    let said = String::from_utf8_lossy(&registered.stdout);
    assert!(registered.status.success(), "{said}");
    assert!(!said.contains("a-password"), "{said}");
    kit(&["prefect-worker", "guarded", "guarded", "process", "guarded"]);

    let server = Server::at(&url, Some(LOGIN));
    let run = server.start(&server.deployment("talks", "default"), &json!({}));
    assert_eq!(server.ends(&run, 60)["state_type"], "COMPLETED");
    assert_eq!(server.log(&run), ["line 0", "line 1", "line 2"]);

    // The flow goes on, and ends, while nobody can be told.
    let parameters = json!({ "parameters": { "folder": flow.root() } });
    let run = server.start(&server.deployment("meets", "default"), &parameters);
    server.says(&run, "waiting", 60);
    kit(&["prefect-stop", "guarded"]);
    std::fs::write(flow.root().join("go"), "").unwrap();
    wait_for(&flow.root().join("done"));
    kit(&["prefect-start", "guarded"]);
    let ended = server.ends(&run, 120);
    assert_eq!(ended["state_type"], "COMPLETED", "{:#}", ended["state"]);
    // After a long time the state goes before the log.
    server.says(&run, "line 199", 60);
    let lines = (0..200).map(|line| format!("line {line}"));
    let expected: Vec<_> = std::iter::once("waiting".to_owned()).chain(lines).collect();
    assert_eq!(server.log(&run), expected);
}
