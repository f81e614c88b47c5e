use flowimage::prelude::*;

#[flow_image(platform = "aarch64")]
fn flow() {}

fn main() {}
