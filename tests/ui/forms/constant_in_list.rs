use flowimage::prelude::*;

#[flow_image(tags = [NIGHTLY])]
fn flow() {}

fn main() {}
