use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/healthcheck_flags.Dockerfile")]
fn flow() {}

fn main() {}
