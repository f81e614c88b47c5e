use flowimage::prelude::*;

#[flow_image(schedule = "@dayly")]
fn flow() {}

fn main() {}
