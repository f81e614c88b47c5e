use flowimage::prelude::*;

#[flow_image(secrets = { A = "B" })]
fn flow() {}

fn main() {}
