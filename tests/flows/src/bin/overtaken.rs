//! A flow whose image is built in two steps: what the second copies may be overtaken by the first.

use flowimage::prelude::*;

/// Says what was copied.
#[flow_image(
    dockerfile = "words/Dockerfile",
    dockerignore = "words/ignored",
    files = { "words/greeting.txt" => "/opt/greeting.txt" },
    extra_dockerfile_commands = ["RUN cat /opt/greeting.txt"],
)]
fn overtaken() -> std::io::Result<String> {
    std::fs::read_to_string("/opt/greeting.txt")
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
