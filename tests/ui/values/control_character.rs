use flowimage::prelude::*;

#[flow_image(work_pool = "a\tb")]
fn flow() {}

fn main() {}
