use flowimage::prelude::*;

#[flow_image(registry_url = ["gcr.io"])]
fn flow() {}

fn main() {}
