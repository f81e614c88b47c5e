//! A flow for each word that Prefect's `Docker(…)` knew.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use flowimage::prelude::*;

/// The text of a file, or nothing.
fn text(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

#[flow_image(
    registry_url = "127.0.0.1:1/declared",
    image_name = "from/prefect",
    image_tag = "words",
    base_image = "debian:bookworm-slim",
    env_vars = { GREETING = "from the environment", PYTHONPATH = "/opt/more:$PYTHONPATH" },
    files = { "words/greeting.txt" => "/opt/greeting.txt" },
    extra_dockerfile_commands = ["RUN tr a-z A-Z < /opt/greeting.txt > /opt/made.txt"],
    flow_directory = "/srv/flow",
)]
async fn words() -> Result<BTreeMap<&'static str, String>, std::io::Error> {
    Ok(BTreeMap::from([
        ("environment", std::env::var("GREETING").unwrap_or_default()),
        ("path", std::env::var("PYTHONPATH").unwrap_or_default()),
        ("file", text("/opt/greeting.txt")),
        ("made", text("/opt/made.txt")),
        ("program", std::env::current_exe()?.display().to_string()),
    ]))
}

/// A test puts another text of this length in its place: a program with other code.
const BUILD: &str = "the first build of the words";

/// Another flow in the same environment.
#[flow_image(
    base_image = "debian:bookworm-slim",
    env_vars = { GREETING = "from the environment", PYTHONPATH = "/opt/more:$PYTHONPATH" },
    files = { "words/greeting.txt" => "/opt/greeting.txt" },
    extra_dockerfile_commands = ["RUN tr a-z A-Z < /opt/greeting.txt > /opt/made.txt"],
    flow_directory = "/srv/flow",
)]
async fn more_words() -> Result<String, std::io::Error> {
    Ok(format!("{} by {BUILD}", text("/opt/made.txt")))
}

#[flow_image(
    dockerfile = "words/Dockerfile",
    dockerignore = "words/ignored",
    build_args = { DRIVER = "18.3" },
)]
async fn own_dockerfile() -> Result<BTreeMap<&'static str, String>, std::io::Error> {
    Ok(BTreeMap::from([
        ("driver", text("/driver")),
        ("greeting", text("/context/greeting.txt")),
        ("secret", Path::new("/context/key.secret").exists().to_string()),
    ]))
}

#[flow_image(
    base_image = "flowimage-test/words-base:1",
    local_image = true,
    extra_dockerfile_commands = ["RUN true"],
)]
async fn local() -> Result<String, std::io::Error> {
    Ok(text("/built"))
}

/// Its image has lost the loader that its program needs.
#[flow_image(
    base_image = "debian:bookworm-slim",
    extra_dockerfile_commands = ["RUN rm -f /lib64/ld-linux* /lib/ld-linux*"],
)]
async fn unhealthy() -> Result<(), std::io::Error> {
    Ok(())
}

#[flow_image(
    base_image = "debian:bookworm-slim",
    extra_dockerfile_commands = ["RUN rm -f /lib64/ld-linux* /lib/ld-linux*"],
    ignore_healthchecks = true,
)]
async fn unchecked() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() -> ExitCode {
    flowimage::main()
}
