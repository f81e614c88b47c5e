use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a; pyton_version<'3'"])]
fn flow() {}

fn main() {}
