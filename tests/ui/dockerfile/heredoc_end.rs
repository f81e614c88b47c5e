use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/heredoc_end.Dockerfile")]
fn flow() {}

fn main() {}
