use flowimage::prelude::*;

#[flow_image(dockerignore = ".gitignore")]
fn flow() {}

fn main() {}
