use flowimage::prelude::*;

#[flow_image(command = [])]
fn flow() {}

fn main() {}
