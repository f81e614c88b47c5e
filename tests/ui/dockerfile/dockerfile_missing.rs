use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/ignore_fiel.Dockerfile")]
fn flow() {}

fn main() {}
