use flowimage::prelude::*;

#[flow_image(flow_directory = "/dev/flow")]
fn flow() {}

fn main() {}
