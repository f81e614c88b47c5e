use flowimage::prelude::*;

#[flow_image(prefect_version = "1.0")]
fn flow() {}

fn main() {}
