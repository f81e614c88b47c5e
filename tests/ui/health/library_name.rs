use flowimage::prelude::*;

#[flow_image(dynamic_libraries = ["tdsodbc"])]
fn flow() {}

fn main() {}
