use flowimage::prelude::*;

#[flow_image(schedule = "30m")]
fn flow() {}

fn main() {}
