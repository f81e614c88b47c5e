use flowimage::prelude::*;

#[flow_image(image_tag = 7)]
fn flow() {}

fn main() {}
