use flowimage::prelude::*;

#[flow_image(schedule = "0 0 L * *")]
fn flow() {}

fn main() {}
