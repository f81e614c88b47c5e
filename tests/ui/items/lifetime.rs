use flowimage::prelude::*;

#[flow_image()]
fn flow<'a>() {}

fn main() {}
