use flowimage::prelude::*;

#[flow_image(image = "scrach")]
fn flow() {}

fn main() {}
