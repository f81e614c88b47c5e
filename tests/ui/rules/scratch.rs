use flowimage::prelude::*;

#[flow_image(base_image = "scratch", system_dependencies = ["curl"])]
fn flow() {}

fn main() {}
