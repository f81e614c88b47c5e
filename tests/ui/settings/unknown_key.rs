use flowimage::prelude::*;

#[flow_image(image = "unknown_key")]
fn flow() {}

fn main() {}
