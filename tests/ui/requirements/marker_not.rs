use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a; os_name not 'x'"])]
fn flow() {}

fn main() {}
