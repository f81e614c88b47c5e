use flowimage::prelude::*;

#[flow_image(schedule = "every")]
fn flow() {}

fn main() {}
