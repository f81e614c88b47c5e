use flowimage::prelude::*;

#[flow_image(name = "a/b")]
fn flow() {}

fn main() {}
