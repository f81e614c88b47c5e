use flowimage::prelude::*;

#[flow_image(image_tag = ".a")]
fn flow() {}

fn main() {}
