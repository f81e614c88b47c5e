use flowimage::prelude::*;

#[flow_image(image_name = "Orders")]
fn flow() {}

fn main() {}
