//! A flow with a folder of files.

use flowimage::prelude::*;

/// Leans on its files.
#[flow_image(files = { "data" => "/data" })]
fn many_files() {}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
