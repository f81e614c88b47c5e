//! A flow for each thing that a declaration asks of an engine; each says what it found in its image.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use flowimage::prelude::*;

/// What was found, by name.
type Seen = BTreeMap<&'static str, String>;

/// What a shell in the image says, on both streams.
fn shell(script: &str) -> String {
    let ended = Command::new("sh").args(["-c", script]).output();
    match ended {
        Ok(output) => String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .trim()
            .to_owned(),
        Err(error) => error.to_string(),
    }
}

/// One `RUN` reads a variable and a file; another prints both. A test puts something new in the place of the zeros:
/// builders keep what a step made, whatever its secrets were.
#[flow_image(
    base_image = "debian:bookworm-slim",
    secrets = ["FLOWIMAGE_TEST_TOKEN", "id=netrc,src=declared/netrc"],
    extra_dockerfile_commands = [
        "RUN : 0000000000000000; sha256sum < /run/secrets/FLOWIMAGE_TEST_TOKEN > /token; sha256sum < /run/secrets/netrc > /netrc",
        "RUN cat /run/secrets/netrc; cat /run/secrets/FLOWIMAGE_TEST_TOKEN >&2",
    ],
)]
fn secret() -> Seen {
    BTreeMap::from([
        ("token", shell("cat /token")),
        ("netrc", shell("cat /netrc")),
        ("left", shell("find /run/secrets -type f")),
    ])
}

/// Its step fails, and prints its secret on the way.
#[flow_image(
    base_image = "debian:bookworm-slim",
    secrets = ["FLOWIMAGE_TEST_TOKEN"],
    extra_dockerfile_commands = ["RUN echo \"login with $(cat /run/secrets/FLOWIMAGE_TEST_TOKEN) failed\"; exit 4"],
)]
fn loose_tongue() {}

/// Packages of the system and of Python, a private module, arguments and variables.
#[flow_image(
    base_image = "debian:bookworm-slim",
    system_dependencies = ["jq", "python3-venv"],
    python_dependencies = ["docopt==0.6.2"],
    files = { "declared/greet.py" => "/opt/modules/greet.py" },
    env_vars = { PYTHONPATH = "/opt/modules" },
    build_args = { CHANNEL = "stable" },
    extra_dockerfile_commands = ["RUN echo \"$CHANNEL\" > /channel"],
    labels = { "com.example.team" = "words" },
    platform = "linux/amd64",
)]
fn packaged() -> Seen {
    BTreeMap::from([
        ("jq", shell("echo '{\"a\": 1}' | jq .a")),
        (
            "greeting",
            shell("cd /tmp && python -c 'import greet; print(greet.greeting())'"),
        ),
        ("channel", shell("cat /channel")),
        (
            "left",
            shell(
                "find /var/lib/apt/lists /var/cache/apt /var/cache/flowimage -type f ! -name lock 2> /dev/null",
            ),
        ),
    ])
}

/// A script in the flow's place.
#[flow_image(
    base_image = "debian:bookworm-slim",
    files = { "declared/report.sh" => "/opt/report.sh" },
    exec = ["sh", "/opt/report.sh", "daily"],
)]
fn report(ending: String) {
    let _ = ending;
}

fn front() -> String {
    std::env::var("FRONT").unwrap_or_else(|_| "nobody".to_owned())
}

/// The base's entrypoint runs its arguments.
#[flow_image(base_image = "flowimage-test/front:1", local_image = true)]
fn behind_front() -> String {
    front()
}

/// The same, with a step in between.
#[flow_image(
    base_image = "flowimage-test/front:1",
    local_image = true,
    extra_dockerfile_commands = ["RUN true"],
)]
fn built_behind_front() -> String {
    front()
}

/// The base's entrypoint is a tool.
#[flow_image(
    base_image = "flowimage-test/tool:1",
    local_image = true,
    extra_dockerfile_commands = ["RUN true"],
)]
fn on_tool() -> String {
    front()
}

/// Who the flow runs as, and who the steps before it ran as.
fn who() -> Seen {
    BTreeMap::from([
        ("user", shell("id -u")),
        ("home", shell("echo \"$HOME\"")),
        ("writable", shell("echo yes > ~/note && cat ~/note")),
        ("steps", shell("cat /steps")),
    ])
}

/// Nobody says who it runs as.
#[flow_image(base_image = "debian:bookworm-slim", extra_dockerfile_commands = ["RUN id -u > /steps"])]
fn default_user() -> Seen {
    who()
}

/// The base says it.
#[flow_image(
    base_image = "flowimage-test/user:1",
    local_image = true,
    extra_dockerfile_commands = ["RUN id -u > /steps"],
)]
fn user_of_the_base() -> Seen {
    who()
}

/// The Dockerfile says it.
#[flow_image(
    dockerfile = "declared/Dockerfile",
    system_dependencies = ["jq"],
    extra_dockerfile_commands = ["RUN id -u > /steps"],
)]
fn user_of_the_dockerfile() -> Seen {
    who()
}

/// The declaration says it, over the base.
#[flow_image(
    base_image = "flowimage-test/user:1",
    local_image = true,
    user = "games",
    extra_dockerfile_commands = ["RUN id -u > /steps && chown games /usr/games"],
)]
fn declared_user() -> Seen {
    who()
}

/// Two flows of one image, whose environment `flowimage.toml` declares.
#[flow_image(image = "etl")]
fn extract() -> String {
    format!("extract {}", shell("cat /shared"))
}

/// The other one.
#[flow_image(image = "etl")]
fn load() -> String {
    format!("load {}", shell("cat /shared"))
}

/// A test puts the registry's port in the place of the zeros.
#[flow_image(
    base_image = "127.0.0.1:00000/flowimage-test/private:1",
    extra_dockerfile_commands = ["RUN true"],
)]
fn on_private_base() -> String {
    shell("cat /private")
}

fn main() -> ExitCode {
    flowimage::main()
}
