use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/from_platform.Dockerfile")]
fn flow() {}

fn main() {}
