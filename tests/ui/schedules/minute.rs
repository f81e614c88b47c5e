use flowimage::prelude::*;

#[flow_image(schedule = "60 * * * *")]
fn flow() {}

fn main() {}
