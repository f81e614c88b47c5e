use flowimage::prelude::*;

#[flow_image(prefect_directory = "/x")]
fn flow() {}

fn main() {}
