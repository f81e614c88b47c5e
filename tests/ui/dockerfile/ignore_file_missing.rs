use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/ignore_file.Dockerfile", dockerignore = "tests/ui/dockerfile/ignore_fiel.dockerignore")]
fn flow() {}

fn main() {}
