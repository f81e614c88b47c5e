use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/no_argument.Dockerfile")]
fn flow() {}

fn main() {}
