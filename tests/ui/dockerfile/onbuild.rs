use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/onbuild.Dockerfile")]
fn flow() {}

fn main() {}
