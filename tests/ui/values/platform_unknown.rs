use flowimage::prelude::*;

#[flow_image(platform = "linux/pdp11")]
fn flow() {}

fn main() {}
