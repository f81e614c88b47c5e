use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl", "curl=7.88"])]
fn flow() {}

fn main() {}
