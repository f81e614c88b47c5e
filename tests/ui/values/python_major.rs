use flowimage::prelude::*;

#[flow_image(python_version = "3")]
fn flow() {}

fn main() {}
