use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/expose.Dockerfile")]
fn flow() {}

fn main() {}
