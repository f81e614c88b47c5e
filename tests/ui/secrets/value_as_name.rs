use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl"], secrets = ["ghp_a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"])]
fn flow() {}

fn main() {}
