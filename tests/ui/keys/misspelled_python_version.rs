use flowimage::prelude::*;

#[flow_image(pyton_version = "3.12")]
fn flow() {}

fn main() {}
