use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/from_variable.Dockerfile")]
fn flow() {}

fn main() {}
