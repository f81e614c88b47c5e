use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/no_from.Dockerfile")]
fn flow() {}

fn main() {}
