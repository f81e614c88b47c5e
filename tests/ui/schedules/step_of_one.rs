use flowimage::prelude::*;

#[flow_image(schedule = "5/10 * * * *")]
fn flow() {}

fn main() {}
