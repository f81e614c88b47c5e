use flowimage::prelude::*;

#[flow_image(image_tag = "")]
fn flow() {}

fn main() {}
