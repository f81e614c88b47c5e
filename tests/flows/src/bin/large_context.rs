//! A flow with a large build context, which says at its end how much memory it took.

use flowimage::prelude::*;

/// Does nothing.
#[flow_image(dockerfile = "large.Dockerfile")]
fn large_context() {}

/// The same with a secret in hand.
#[flow_image(
    dockerfile = "large.Dockerfile",
    secrets = ["FLOWIMAGE_TEST_TOKEN"],
    extra_dockerfile_commands = ["RUN wc -c < /run/secrets/FLOWIMAGE_TEST_TOKEN"],
)]
fn large_context_and_secret() {}

fn main() -> std::process::ExitCode {
    let status = flowimage::main();
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in memory.lines().filter(|line| line.starts_with("VmHWM:")) {
        std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes()).ok();
    }
    status
}
