use flowimage::prelude::*;

#[flow_image(env_vars = { A = "x\0" })]
fn flow() {}

fn main() {}
