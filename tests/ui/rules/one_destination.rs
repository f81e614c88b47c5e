use flowimage::prelude::*;

#[flow_image(files = { "Cargo.toml" => "/x", "README.md" => "/x" })]
fn flow() {}

fn main() {}
