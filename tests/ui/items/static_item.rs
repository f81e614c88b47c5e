use flowimage::prelude::*;

#[flow_image()]
static FLOW: u8 = 1;

fn main() {}
