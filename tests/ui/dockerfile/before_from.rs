use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/before_from.Dockerfile")]
fn flow() {}

fn main() {}
