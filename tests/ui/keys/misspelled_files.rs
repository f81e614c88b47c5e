use flowimage::prelude::*;

#[flow_image(file = {})]
fn flow() {}

fn main() {}
