use flowimage::prelude::*;

#[flow_image(env_vars = { "A-B" = "x" })]
fn flow() {}

fn main() {}
