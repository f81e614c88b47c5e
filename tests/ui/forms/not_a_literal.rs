use flowimage::prelude::*;

#[flow_image(name = NAME, image_tag = concat!("a", "b"))]
fn flow() {}

fn main() {}
