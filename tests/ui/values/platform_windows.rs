use flowimage::prelude::*;

#[flow_image(platform = "windows/amd64")]
fn flow() {}

fn main() {}
