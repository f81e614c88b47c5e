use flowimage::prelude::*;

#[flow_image(env = { A = "1" })]
fn flow() {}

fn main() {}
