use flowimage::prelude::*;

#[flow_image(base_image = "debian: 12")]
fn flow() {}

fn main() {}
