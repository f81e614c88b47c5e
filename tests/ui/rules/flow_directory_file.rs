use flowimage::prelude::*;

#[flow_image(files = { "Cargo.toml" => "/x" }, flow_directory = "/x")]
fn flow() {}

fn main() {}
