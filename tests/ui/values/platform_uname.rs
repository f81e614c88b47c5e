use flowimage::prelude::*;

#[flow_image(platform = "linux/x86_64")]
fn flow() {}

fn main() {}
