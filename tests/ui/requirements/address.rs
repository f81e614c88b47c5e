use flowimage::prelude::*;

#[flow_image(python_dependencies = ["git+https://e.example/x"])]
fn flow() {}

fn main() {}
