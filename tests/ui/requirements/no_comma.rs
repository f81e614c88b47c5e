use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a>=5 <6"])]
fn flow() {}

fn main() {}
