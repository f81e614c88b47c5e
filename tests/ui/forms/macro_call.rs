use flowimage::prelude::*;

#[flow_image(user = env!("USER"))]
fn flow() {}

fn main() {}
