//! What goes wrong in the middle of a command, and what the next one makes of it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::test_flow::{TestFlow, outcome};
use crate::{output, setting};

fn spare(what: &str) -> String {
    let said = output(Command::new(setting("FLOWIMAGE_TEST_KIT")).args(["spare", what]));
    said.lines().last().unwrap_or_default().to_owned()
}

/// Whether a process runs the command line somewhere on this machine.
fn runs(command_line: &str) -> bool {
    let wanted = command_line.replace(' ', "\0") + "\0";
    std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|said| said == wanted.as_bytes())
    })
}

#[test]
fn an_engine_killed_in_mid_build_is_said_and_the_next_command_goes_through() {
    // What an earlier run left that was cut off: an engine that has the environment builds none.
    spare("down");
    let engine = spare("up");
    let flow = TestFlow::new("slow", &engine);
    let mut command = flow
        .command(&["register"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(120);
    while !runs("sleep 5.0417") {
        if command.try_wait().unwrap().is_some() || Instant::now() > limit {
            command.kill().unwrap();
            panic!("the step never ran: {:?}", command.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    spare("kill");
    let ended = command.wait_with_output().unwrap();
    let line = outcome(&ended);
    assert_eq!(
        (
            line["status"].as_str(),
            line["error"]["stage"].as_str(),
            ended.status.code()
        ),
        (Some("failed"), Some("build"), Some(1)),
        "{line:#}"
    );
    let message = line["error"]["message"].as_str().unwrap();
    assert!(message.contains("while it was building"), "{line:#}");
    assert!(!flow.root().join("flowimage.lock").exists());

    let engine = spare("up");
    let docker =
        |arguments: &[&str]| output(Command::new("docker").env("DOCKER_HOST", &engine).args(arguments));
    let ended = flow.command(&["register"]).output().unwrap();
    let line = outcome(&ended);
    assert_eq!(
        (line["status"].as_str(), ended.status.code()),
        (Some("registered"), Some(0)),
        "{line:#}"
    );
    let labelled = ["--filter", "label=dev.flowimage=1", "-q"];
    assert_eq!(docker(&[&["ps", "-a"][..], &labelled].concat()), "");
    let images = docker(&[&["images"][..], &labelled].concat());
    assert_eq!(images.lines().count(), 1, "the environment alone: {images}");
    spare("down");
}

#[test]
fn a_base_with_a_digest_that_nobody_has_is_named() {
    let flow = TestFlow::new("wrong_digest", &setting("DOCKER_HOST"));
    let ended = flow.command(&["register"]).output().unwrap();
    let line = outcome(&ended);
    assert_eq!(
        (line["error"]["stage"].as_str(), ended.status.code()),
        (Some("build"), Some(1)),
        "{line:#}"
    );
    let message = line["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("debian@sha256:0123456789abcdef"),
        "the base is named: {line:#}"
    );
    assert!(!flow.root().join("flowimage.lock").exists());
}
