use flowimage::prelude::*;

#[flow_image(name = "Orders")]
fn flow() {}

fn main() {}
