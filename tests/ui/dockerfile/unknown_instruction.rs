use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/unknown_instruction.Dockerfile")]
fn flow() {}

fn main() {}
