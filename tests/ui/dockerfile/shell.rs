use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/shell.Dockerfile")]
fn flow() {}

fn main() {}
