use flowimage::prelude::*;

#[flow_image(env_vars = { A = true })]
fn flow() {}

fn main() {}
