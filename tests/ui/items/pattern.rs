use flowimage::prelude::*;

#[flow_image()]
fn flow((a, b): (u32, u32)) {}

fn main() {}
