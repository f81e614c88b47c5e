//! Engines at a distance: the private engine again, behind mutual TLS and behind ssh.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::{Project, example};
use crate::{output, setting};

/// The flow of the example `system`, which needs an engine to be built.
struct Remote {
    project: Project,
    known: BTreeMap<String, String>,
}

impl Remote {
    fn new() -> Self {
        let said = output(Command::new(setting("FLOWIMAGE_TEST_KIT")).arg("remote"));
        let pairs = said.lines().filter_map(|line| line.split_once('='));
        let project = Project::new();
        std::fs::hard_link(example("system"), project.path("target/system")).unwrap();
        Self {
            project,
            known: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    fn certificates(&self, which: &str) -> String {
        let folder = PathBuf::from(&self.known["CERTIFICATES"]).join(which);
        folder.to_str().unwrap().to_owned()
    }

    /// `build` with this environment alone to say where the engine is.
    fn build(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let mut command = Command::new(self.project.path("target/system"));
        command.args(["build", "--json"]).args(arguments);
        for name in ["CARGO_MANIFEST_DIR", "DOCKER_HOST", "DOCKER_CONFIG"] {
            command.env_remove(name);
        }
        let path = format!("{}:{}", self.known["SSH"], std::env::var("PATH").unwrap());
        command.env("PATH", path).env("HOME", self.project.path("."));
        command.envs(variables.iter().copied());
        let output = command.current_dir(self.project.path(".")).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(lines.lines().last().unwrap()).unwrap()
    }

    /// Message and advice of a `build` that does not reach the engine.
    fn refused(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        let line = self.build(arguments, variables);
        assert_eq!(line["status"], "failed", "{line:#}");
        let text = |what: &str| line["error"][what].as_str().unwrap_or_default().to_owned();
        (text("message"), text("advice"))
    }
}

/// The checks run in a container of the engine, also where the environment is remembered.
fn assert_built(line: &Value) {
    assert_eq!(line["status"], "built", "{line:#}");
    let passed = |check: &Value| check["name"] == "the flow loads" && check["status"] == "pass";
    assert!(line["checks"].as_array().unwrap().iter().any(passed), "{line:#}");
}

#[test]
fn a_flow_is_built_through_ssh_and_checked_through_tls() {
    let remote = Remote::new();
    assert_built(&remote.build(&["--engine", "ssh://flow-engine"], &[]));
    let by_port = format!("ssh://127.0.0.1:{}", remote.known["SSH_PORT"]);
    assert_built(&remote.build(&[], &[("DOCKER_HOST", &by_port)]));

    let tls = format!("tcp://{}", remote.known["TLS"]);
    let certificates = remote.certificates("good");
    assert_built(&remote.build(
        &[],
        &[
            ("DOCKER_HOST", &tls),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", &certificates),
        ],
    ));
    // As the project's own file says it, for whoever works on it.
    let table = format!("[engine]\nhost = \"{tls}\"\ncert_path = \"{certificates}\"\n");
    std::fs::write(remote.project.path("flowimage.toml"), table).unwrap();
    assert_built(&remote.build(&[], &[]));
    std::fs::remove_file(remote.project.path("flowimage.toml")).unwrap();

    let endpoint = format!(
        "host={tls},ca={certificates}/ca.pem,cert={certificates}/cert.pem,key={certificates}/key.pem"
    );
    output(
        Command::new("docker")
            .args(["context", "create", "distant", "--docker", &endpoint])
            .env("DOCKER_CONFIG", remote.project.path(".docker")),
    );
    assert_built(&remote.build(&[], &[("DOCKER_CONTEXT", "distant")]));
}

#[test]
fn what_is_wrong_with_tls_is_said() {
    let remote = Remote::new();
    let port = remote.known["TLS"].clone();
    let named = port.replace("127.0.0.1", "localhost");
    let plain = setting("FLOWIMAGE_TEST_REGISTRY");
    for (host, folder, message, advice) in [
        (
            &port,
            "mistrusting",
            "is not one that `ca.pem` vouches for",
            "authority that signed",
        ),
        (
            &port,
            "stranger",
            "does not accept our certificate `cert.pem`",
            "client certificate",
        ),
        (
            &named,
            "good",
            "certificate is for another host",
            "subjectAltName",
        ),
        (&plain, "good", "does not speak TLS", "DOCKER_TLS_VERIFY"),
        (
            &port,
            "nowhere",
            "nowhere/ca.pem (from DOCKER_CERT_PATH)",
            "DOCKER_CERT_PATH",
        ),
    ] {
        let host = format!("tcp://{host}");
        let certificates = remote.certificates(folder);
        let said = remote.refused(
            &[],
            &[
                ("DOCKER_HOST", &host),
                ("DOCKER_TLS_VERIFY", "1"),
                ("DOCKER_CERT_PATH", &certificates),
            ],
        );
        assert!(
            said.0.contains(message) && said.1.contains(advice),
            "{folder}: {said:#?}"
        );
    }
    // Without the variables the same port is asked in plain HTTP, and does not answer in it.
    let host = format!("tcp://{port}");
    let (message, _) = remote.refused(&[], &[("DOCKER_HOST", &host)]);
    assert!(
        message.contains(&format!("no engine answers at {host} (from DOCKER_HOST)")),
        "{message}"
    );
}

#[test]
fn what_is_wrong_with_ssh_is_said() {
    let remote = Remote::new();
    for (host, message, advice) in [
        (
            "flow-engine-unknown",
            "the host's key is unknown, or not the one it had: Host key verification failed.",
            "compare the key's fingerprint",
        ),
        (
            "flow-engine-locked",
            "the host does not let us in: ",
            "ssh-copy-id",
        ),
        (
            "flow-engine-bare",
            "the host has no program `docker`: ",
            "docker.io",
        ),
        (
            "flow-engine-dead",
            "no host answers: ssh: connect to host 127.0.0.1 port 1: Connection refused",
            "name and port",
        ),
    ] {
        let host = format!("ssh://{host}");
        let said = remote.refused(&["--engine", &host], &[]);
        let start = format!("ssh does not reach the engine at {host} (from the engine's address): {message}");
        assert!(said.0.contains(&start) && said.1.contains(advice), "{said:#?}");
    }
    let said = remote.refused(&["--engine", "ssh://flow-engine"], &[("PATH", "/nonexistent")]);
    assert!(
        said.0.contains("the program `ssh` cannot be started"),
        "{said:#?}"
    );
    let said = remote.refused(&["--engine", "ssh://h/run/docker.sock"], &[]);
    assert!(said.0.contains("`ssh://host` has no path"), "{said:#?}");
}
