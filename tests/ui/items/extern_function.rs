use flowimage::prelude::*;

#[flow_image()]
extern "C" fn flow() {}

fn main() {}
