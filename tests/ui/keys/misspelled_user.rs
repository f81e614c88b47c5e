use flowimage::prelude::*;

#[flow_image(usr = "x")]
fn flow() {}

fn main() {}
