use flowimage::prelude::*;

#[flow_image(base_image = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
fn flow() {}

fn main() {}
