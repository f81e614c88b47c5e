use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/from_reference.Dockerfile")]
fn flow() {}

fn main() {}
