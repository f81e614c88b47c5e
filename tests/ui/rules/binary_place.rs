use flowimage::prelude::*;

#[flow_image(files = { "Cargo.toml" => "/opt/flow/flow" })]
fn flow() {}

fn main() {}
