//! A flow with a rhythm that a cluster can keep.

use flowimage::prelude::*;

/// Does nothing, often.
#[flow_image(schedule = "every 15m")]
fn cluster() {}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
