use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl git"])]
fn flow() {}

fn main() {}
