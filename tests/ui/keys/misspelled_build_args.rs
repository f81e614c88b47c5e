use flowimage::prelude::*;

#[flow_image(build_arg = {})]
fn flow() {}

fn main() {}
