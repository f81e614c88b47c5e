use flowimage::prelude::*;

#[flow_image(description = "")]
fn flow() {}

fn main() {}
