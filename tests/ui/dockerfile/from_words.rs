use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/from_words.Dockerfile")]
fn flow() {}

fn main() {}
