use flowimage::prelude::*;

#[flow_image(env_vars = { X = "AKIAIOSFODNN7EXAMPLE" })]
fn flow() {}

fn main() {}
