use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/env_pairs.Dockerfile")]
fn flow() {}

fn main() {}
