use flowimage::prelude::*;

#[flow_image()]
unsafe fn flow() {}

fn main() {}
