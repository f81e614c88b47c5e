use flowimage::prelude::*;

#[flow_image(schedule = "every 0s")]
fn flow() {}

fn main() {}
