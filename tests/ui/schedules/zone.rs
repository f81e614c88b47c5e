use flowimage::prelude::*;

#[flow_image(schedule = "0 6 * * * Euorpe/Amsterdam")]
fn flow() {}

fn main() {}
