use flowimage::prelude::*;

#[flow_image(image = "late")]
fn flow() {}

fn main() {}
