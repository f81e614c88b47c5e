use flowimage::prelude::*;

#[flow_image(base_image = "debian:$V")]
fn flow() {}

fn main() {}
