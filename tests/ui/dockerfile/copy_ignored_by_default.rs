use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/copy_ignored_by_default.Dockerfile")]
fn flow() {}

fn main() {}
