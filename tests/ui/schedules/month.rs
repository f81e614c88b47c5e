use flowimage::prelude::*;

#[flow_image(schedule = "0 0 1 13 *")]
fn flow() {}

fn main() {}
