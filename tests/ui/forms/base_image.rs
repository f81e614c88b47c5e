use flowimage::prelude::*;

#[flow_image(base_image = {})]
fn flow() {}

fn main() {}
