use flowimage::prelude::*;

#[flow_image(dynamic_libraries = ["libx.so", "libx.so"])]
fn flow() {}

fn main() {}
