use flowimage::prelude::*;

#[flow_image(python_dependencies = "pyodbc")]
fn flow() {}

fn main() {}
