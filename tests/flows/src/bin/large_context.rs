//! A flow with a large build context, which says at its end how much memory it took.

use flowimage::prelude::*;

/// Does nothing.
#[flow_image(dockerfile = "large.Dockerfile")]
fn large_context() {}

fn main() -> std::process::ExitCode {
    let status = flowimage::main();
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in memory.lines().filter(|line| line.starts_with("VmHWM:")) {
        std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes()).ok();
    }
    status
}
