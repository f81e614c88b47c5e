use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_json.Dockerfile")]
fn flow() {}

fn main() {}
