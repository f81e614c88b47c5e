use flowimage::prelude::*;

#[flow_image(schedule = "0 0 31 2 *")]
fn flow() {}

fn main() {}
