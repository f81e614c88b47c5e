use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_ignored.Dockerfile")]
fn flow() {}

fn main() {}
