use flowimage::prelude::*;

#[flow_image(labels = { ".a" = "x" })]
fn flow() {}

fn main() {}
