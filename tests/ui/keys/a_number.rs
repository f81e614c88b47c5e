use flowimage::prelude::*;

#[flow_image(7 = "a")]
fn flow() {}

fn main() {}
