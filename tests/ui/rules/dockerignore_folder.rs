use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/Dockerfile.good", dockerignore = "tests/ui")]
fn flow() {}

fn main() {}
