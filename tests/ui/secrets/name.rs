use flowimage::prelude::*;

#[flow_image(secrets = ["my-token"])]
fn flow() {}

fn main() {}
