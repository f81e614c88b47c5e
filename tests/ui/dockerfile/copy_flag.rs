use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_flag.Dockerfile")]
fn flow() {}

fn main() {}
