use flowimage::prelude::*;

#[flow_image(user = "a b")]
fn flow() {}

fn main() {}
