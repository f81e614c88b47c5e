use flowimage::prelude::*;

#[flow_image(secrets = ["env=TOKEN"])]
fn flow() {}

fn main() {}
