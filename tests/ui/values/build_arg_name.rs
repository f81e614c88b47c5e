use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/Dockerfile.good", build_args = { "a b" = "x" })]
fn flow() {}

fn main() {}
