use flowimage::prelude::*;

#[flow_image(base_image = "debian@sha256:abc")]
fn flow() {}

fn main() {}
