use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/user.Dockerfile")]
fn flow() {}

fn main() {}
