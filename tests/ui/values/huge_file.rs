//! `tests/ui.rs` puts a file of 1 TiB there, which nobody reads to its end: its text is looked at when the flow is built.

use flowimage::prelude::*;

#[flow_image(files = { "target/huge" => "/huge" }, base_image = "debian:bookworm-slim")]
fn flow() {}

compile_error!("the flow was expanded, and this is all that is wrong");

fn main() {}
