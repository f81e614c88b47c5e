use flowimage::prelude::*;

#[flow_image(python_dependencies = ["-r requirements.txt"])]
fn flow() {}

fn main() {}
