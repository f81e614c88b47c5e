use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/mounts.Dockerfile")]
fn flow() {}

fn main() {}
