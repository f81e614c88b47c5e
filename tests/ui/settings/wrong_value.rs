use flowimage::prelude::*;

#[flow_image(image = "wrong_value")]
fn flow() {}

fn main() {}
