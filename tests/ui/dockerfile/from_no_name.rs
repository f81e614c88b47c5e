use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/from_no_name.Dockerfile")]
fn flow() {}

fn main() {}
