use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a>="])]
fn flow() {}

fn main() {}
