//! The smallest flow.

use flowimage::prelude::*;

/// Says hello.
#[flow_image]
fn hello() -> String {
    "hello".to_owned()
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
