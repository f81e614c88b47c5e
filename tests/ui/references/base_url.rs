use flowimage::prelude::*;

#[flow_image(base_image = "https://gcr.io/x")]
fn flow() {}

fn main() {}
