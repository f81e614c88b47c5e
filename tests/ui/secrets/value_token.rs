use flowimage::prelude::*;

#[flow_image(env_vars = { X = "ghp_a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1" })]
fn flow() {}

fn main() {}
