use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/Dockerfile.god")]
fn flow() {}

fn main() {}
