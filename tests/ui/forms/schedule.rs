use flowimage::prelude::*;

#[flow_image(schedule = true)]
fn flow() {}

fn main() {}
