use flowimage::prelude::*;

#[flow_image(schedule = "0 0 * * 8")]
fn flow() {}

fn main() {}
