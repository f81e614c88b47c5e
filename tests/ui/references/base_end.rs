use flowimage::prelude::*;

#[flow_image(base_image = "debian-:1")]
fn flow() {}

fn main() {}
