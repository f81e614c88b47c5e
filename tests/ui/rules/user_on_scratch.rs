use flowimage::prelude::*;

#[flow_image(base_image = "scratch", user = "app")]
fn flow() {}

fn main() {}
