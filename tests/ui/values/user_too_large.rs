use flowimage::prelude::*;

#[flow_image(user = "4294967296")]
fn flow() {}

fn main() {}
