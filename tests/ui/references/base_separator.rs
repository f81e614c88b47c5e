use flowimage::prelude::*;

#[flow_image(base_image = "a..b:1")]
fn flow() {}

fn main() {}
