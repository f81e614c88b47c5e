use flowimage::prelude::*;

#[flow_image(base_image = "Debian:12")]
fn flow() {}

fn main() {}
