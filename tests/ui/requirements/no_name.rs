use flowimage::prelude::*;

#[flow_image(python_dependencies = [">=5"])]
fn flow() {}

fn main() {}
