use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/stage_name.Dockerfile")]
fn flow() {}

fn main() {}
