use flowimage::prelude::*;

#[flow_image(lables = {})]
fn flow() {}

fn main() {}
