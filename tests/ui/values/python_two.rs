use flowimage::prelude::*;

#[flow_image(python_version = "2.7")]
fn flow() {}

fn main() {}
