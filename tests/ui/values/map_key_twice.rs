use flowimage::prelude::*;

#[flow_image(env_vars = { A = "1", A = "2" })]
fn flow() {}

fn main() {}
