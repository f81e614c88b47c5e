use flowimage::prelude::*;

#[flow_image(user = -1)]
fn flow() {}

fn main() {}
