use flowimage::prelude::*;

#[flow_image(tags = ["a" "b"])]
fn flow() {}

fn main() {}
