use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a; os_name=='x"])]
fn flow() {}

fn main() {}
