use flowimage::prelude::*;

#[flow_image(image_name = "orders:v1")]
fn flow() {}

fn main() {}
