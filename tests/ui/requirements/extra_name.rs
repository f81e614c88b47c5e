use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a[-x]"])]
fn flow() {}

fn main() {}
