use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_outside.Dockerfile")]
fn flow() {}

fn main() {}
