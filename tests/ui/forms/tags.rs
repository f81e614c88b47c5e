use flowimage::prelude::*;

#[flow_image(tags = "nightly")]
fn flow() {}

fn main() {}
