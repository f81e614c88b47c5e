use flowimage::prelude::*;

#[flow_image(flow_directory = "/opt/../flow")]
fn flow() {}

fn main() {}
