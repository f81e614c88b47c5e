use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_missing.Dockerfile")]
fn flow() {}

fn main() {}
