use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/from_unknown.Dockerfile")]
fn flow() {}

fn main() {}
