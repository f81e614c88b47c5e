use flowimage::prelude::*;

#[flow_image(files = { "Cargo.toml" => "/proc/x" })]
fn flow() {}

fn main() {}
