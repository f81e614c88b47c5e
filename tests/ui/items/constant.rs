use flowimage::prelude::*;

#[flow_image()]
const FLOW: u32 = 1;

fn main() {}
