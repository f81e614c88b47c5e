use flowimage::prelude::*;

#[flow_image(image = "a b")]
fn flow() {}

fn main() {}
