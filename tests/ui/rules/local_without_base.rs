use flowimage::prelude::*;

#[flow_image(local_image = true)]
fn flow() {}

fn main() {}
