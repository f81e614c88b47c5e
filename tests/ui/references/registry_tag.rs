use flowimage::prelude::*;

#[flow_image(registry_url = "gcr.io/dev:v1")]
fn flow() {}

fn main() {}
