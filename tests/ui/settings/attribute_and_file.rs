use flowimage::prelude::*;

#[flow_image(image = "scratch", system_dependencies = ["curl"])]
fn flow() {}

fn main() {}
