use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/flagless.Dockerfile")]
fn flow() {}

fn main() {}
