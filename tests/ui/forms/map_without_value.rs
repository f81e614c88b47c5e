use flowimage::prelude::*;

#[flow_image(env_vars = { A, B = "1" })]
fn flow() {}

fn main() {}
