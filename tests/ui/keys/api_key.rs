use flowimage::prelude::*;

#[flow_image(api_key = "x")]
fn flow() {}

fn main() {}
