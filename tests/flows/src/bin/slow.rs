//! A flow whose environment takes long enough to be interrupted.

use flowimage::prelude::*;

/// Does nothing.
#[flow_image(base_image = "debian:bookworm-slim", extra_dockerfile_commands = ["RUN sleep 5.0417"])]
fn slow() {}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
