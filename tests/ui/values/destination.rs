use flowimage::prelude::*;

#[flow_image(files = { "Cargo.toml" => "etc/x", "README.md" => "/a/../b" })]
fn flow() {}

fn main() {}
