//! A flow whose environment is interrupted.

use flowimage::prelude::*;

/// Does nothing.
#[flow_image(base_image = "debian:bookworm-slim", extra_dockerfile_commands = ["RUN sleep 30.0418"])]
fn interrupted() {}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
