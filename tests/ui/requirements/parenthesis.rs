use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a (>=1"])]
fn flow() {}

fn main() {}
