use flowimage::prelude::*;

#[flow_image(system_dependencies = ["-y"])]
fn flow() {}

fn main() {}
