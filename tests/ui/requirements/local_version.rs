use flowimage::prelude::*;

#[flow_image(python_dependencies = ["a>=1+x"])]
fn flow() {}

fn main() {}
