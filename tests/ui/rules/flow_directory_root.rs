use flowimage::prelude::*;

#[flow_image(flow_directory = "/")]
fn flow() {}

fn main() {}
