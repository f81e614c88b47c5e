use flowimage::prelude::*;

#[flow_image(labels = "a=b")]
fn flow() {}

fn main() {}
