use flowimage::prelude::*;

#[flow_image(name = ?)]
fn flow() {}

fn main() {}
