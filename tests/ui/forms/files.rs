use flowimage::prelude::*;

#[flow_image(files = ["Cargo.toml"])]
fn flow() {}

fn main() {}
