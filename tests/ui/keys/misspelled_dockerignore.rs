use flowimage::prelude::*;

#[flow_image(dockerignor = "x")]
fn flow() {}

fn main() {}
