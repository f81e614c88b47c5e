use flowimage::prelude::*;

#[flow_image(base_image = "debian:12", dockerfile = "tests/ui/Dockerfile.good")]
fn flow() {}

fn main() {}
