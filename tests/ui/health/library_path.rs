use flowimage::prelude::*;

#[flow_image(dynamic_libraries = ["odbc/libx.so"])]
fn flow() {}

fn main() {}
