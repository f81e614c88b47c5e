use flowimage::prelude::*;

#[flow_image(files = { "Cargo.toml" => "/x", "README.md" => "/x/y" })]
fn flow() {}

fn main() {}
