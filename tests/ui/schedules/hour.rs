use flowimage::prelude::*;

#[flow_image(schedule = "0 24 * * *")]
fn flow() {}

fn main() {}
