use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_destination.Dockerfile")]
fn flow() {}

fn main() {}
