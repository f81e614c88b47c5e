use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/escape_unknown.Dockerfile")]
fn flow() {}

fn main() {}
