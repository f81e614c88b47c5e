use flowimage::prelude::*;

#[flow_image(schedule = "0 6 * *")]
fn flow() {}

fn main() {}
