use flowimage::prelude::*;

#[flow_image(image = "etl")]
fn flow() {}

fn main() {}
