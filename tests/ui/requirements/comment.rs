use flowimage::prelude::*;

#[flow_image(python_dependencies = ["pandas # fast"])]
fn flow() {}

fn main() {}
