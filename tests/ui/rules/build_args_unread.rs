use flowimage::prelude::*;

#[flow_image(build_args = { A = "1" })]
fn flow() {}

fn main() {}
