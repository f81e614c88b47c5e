use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/continued.Dockerfile")]
fn flow() {}

fn main() {}
