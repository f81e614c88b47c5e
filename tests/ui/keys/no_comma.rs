use flowimage::prelude::*;

#[flow_image(name = "a" user = "b")]
fn flow() {}

fn main() {}
