use flowimage::prelude::*;

#[flow_image(dockerfle = "D")]
fn flow() {}

fn main() {}
