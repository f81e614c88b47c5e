use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/Dockerfile.bad")]
fn flow() {}

fn main() {}
