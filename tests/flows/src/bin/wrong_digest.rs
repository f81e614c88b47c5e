//! A flow on a base whose digest no image has.

use flowimage::prelude::*;

/// Does nothing.
#[flow_image(
    base_image = "debian@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    system_dependencies = ["sqlite3"],
)]
fn wrong_digest() {}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
