use flowimage::prelude::*;

#[flow_image(work_pol = "x")]
fn flow() {}

fn main() {}
