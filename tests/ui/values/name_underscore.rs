use flowimage::prelude::*;

#[flow_image(name = "nightly_orders")]
fn flow() {}

fn main() {}
