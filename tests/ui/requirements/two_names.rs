use flowimage::prelude::*;

#[flow_image(python_dependencies = ["pandas requests"])]
fn flow() {}

fn main() {}
