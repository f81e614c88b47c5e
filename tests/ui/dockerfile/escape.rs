use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/escape.Dockerfile")]
fn flow() {}

fn main() {}
