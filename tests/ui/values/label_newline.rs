use flowimage::prelude::*;

#[flow_image(labels = { a = "x\ny" })]
fn flow() {}

fn main() {}
