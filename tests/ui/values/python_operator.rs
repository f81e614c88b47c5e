use flowimage::prelude::*;

#[flow_image(python_version = ">=3.8")]
fn flow() {}

fn main() {}
