use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/env_blanks.Dockerfile")]
fn flow() {}

fn main() {}
