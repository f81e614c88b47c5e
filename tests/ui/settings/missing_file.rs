use flowimage::prelude::*;

#[flow_image(image = "missing_file")]
fn flow() {}

fn main() {}
