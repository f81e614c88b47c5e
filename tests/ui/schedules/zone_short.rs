use flowimage::prelude::*;

#[flow_image(schedule = "0 6 * * * CET")]
fn flow() {}

fn main() {}
