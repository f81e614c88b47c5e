use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a @ https://u:p4ss@e.example/a.whl"])]
fn flow() {}

fn main() {}
