use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/healthcheck.Dockerfile")]
fn flow() {}

fn main() {}
