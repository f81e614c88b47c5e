use flowimage::prelude::*;

#[flow_image(name = "a", name = "b")]
fn flow() {}

fn main() {}
