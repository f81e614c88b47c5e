use flowimage::prelude::*;

#[flow_image(schedule = "@daily UTC now")]
fn flow() {}

fn main() {}
