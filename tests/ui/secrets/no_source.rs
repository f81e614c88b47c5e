use flowimage::prelude::*;

#[flow_image(secrets = ["id=my-token"])]
fn flow() {}

fn main() {}
