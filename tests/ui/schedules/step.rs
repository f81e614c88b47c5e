use flowimage::prelude::*;

#[flow_image(schedule = "*/0 * * * *")]
fn flow() {}

fn main() {}
