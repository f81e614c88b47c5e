use flowimage::prelude::*;

#[flow_image(image_tag = "a/b")]
fn flow() {}

fn main() {}
