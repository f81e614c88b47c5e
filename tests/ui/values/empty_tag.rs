use flowimage::prelude::*;

#[flow_image(tags = [" "])]
fn flow() {}

fn main() {}
