use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl;id"])]
fn flow() {}

fn main() {}
