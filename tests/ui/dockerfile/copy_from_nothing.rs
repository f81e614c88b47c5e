use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_from_nothing.Dockerfile")]
fn flow() {}

fn main() {}
