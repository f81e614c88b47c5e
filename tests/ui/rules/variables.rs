use flowimage::prelude::*;

#[flow_image(env_vars = { A = "/x", B = "$A/y" })]
fn flow() {}

fn main() {}
