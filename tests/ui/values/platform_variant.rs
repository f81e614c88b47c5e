use flowimage::prelude::*;

#[flow_image(platform = "linux/arm/v9")]
fn flow() {}

fn main() {}
