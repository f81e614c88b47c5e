use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/stage_twice.Dockerfile")]
fn flow() {}

fn main() {}
