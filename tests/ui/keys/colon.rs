use flowimage::prelude::*;

#[flow_image(name : "a")]
fn flow() {}

fn main() {}
