use flowimage::prelude::*;

#[flow_image(schedule = "every 30")]
fn flow() {}

fn main() {}
