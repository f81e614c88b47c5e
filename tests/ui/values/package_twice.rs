use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl", "curl"])]
fn flow() {}

fn main() {}
