//! With real Prefect servers, their workers and a real engine, as `./test prefect` sets them up.

#[path = "../common/mod.rs"]
mod common;
mod guarded;
mod load;
mod older;
mod requests;
mod runs;
mod server;
#[path = "../engine/test_flow.rs"]
#[allow(dead_code, reason = "the tests here need less of it")]
mod test_flow;

use std::process::Command;

/// A setting of the test environment. Without it nothing here is proved.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `./test prefect`"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
