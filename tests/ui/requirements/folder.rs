use flowimage::prelude::*;

#[flow_image(python_dependencies = ["./wheel.whl"])]
fn flow() {}

fn main() {}
