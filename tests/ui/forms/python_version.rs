use flowimage::prelude::*;

#[flow_image(python_version = 3.12)]
fn flow() {}

fn main() {}
