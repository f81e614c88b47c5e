use flowimage::prelude::*;

#[flow_image(env_vars = { A = "x\ny", B = "${C" })]
fn flow() {}

fn main() {}
