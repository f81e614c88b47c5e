use flowimage::prelude::*;

#[flow_image()]
const fn flow() {}

fn main() {}
