use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/heredoc_destination.Dockerfile")]
fn flow() {}

fn main() {}
