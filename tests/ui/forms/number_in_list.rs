use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl", 7])]
fn flow() {}

fn main() {}
