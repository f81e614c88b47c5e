use flowimage::prelude::*;

#[flow_image(secrets = ["TOKEN"])]
fn flow() {}

fn main() {}
