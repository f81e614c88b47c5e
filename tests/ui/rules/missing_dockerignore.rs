use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/Dockerfile.good", dockerignore = "nowhere")]
fn flow() {}

fn main() {}
