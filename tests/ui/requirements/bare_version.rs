use flowimage::prelude::*;

#[flow_image(python_dependencies = ["pyodbc 5"])]
fn flow() {}

fn main() {}
