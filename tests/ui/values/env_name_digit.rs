use flowimage::prelude::*;

#[flow_image(env_vars = { "1A" = "x" })]
fn flow() {}

fn main() {}
