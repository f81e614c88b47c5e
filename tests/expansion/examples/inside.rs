//! A flow of an example.

#![deny(warnings, clippy::pedantic)]

use flow::prelude::*;

/// In an example of a workspace member.
#[flow_image]
fn inside() {}

fn main() -> std::process::ExitCode {
    flow::main()
}
