use flowimage::prelude::*;

#[flow_image(base_image = "scratch", python_dependencies = ["a"])]
fn flow() {}

fn main() {}
