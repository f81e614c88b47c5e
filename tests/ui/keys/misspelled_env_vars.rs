use flowimage::prelude::*;

#[flow_image(env_var = {})]
fn flow() {}

fn main() {}
