use flowimage::prelude::*;

#[flow_image(secret = [])]
fn flow() {}

fn main() {}
