use flowimage::prelude::*;

#[flow_image(local_image = "yes")]
fn flow() {}

fn main() {}
