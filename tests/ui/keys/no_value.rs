use flowimage::prelude::*;

#[flow_image(name, image_tag = )]
fn flow() {}

fn main() {}
