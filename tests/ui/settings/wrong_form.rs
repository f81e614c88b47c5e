use flowimage::prelude::*;

#[flow_image(image = "wrong_form")]
fn flow() {}

fn main() {}
