use flowimage::prelude::*;

#[flow_image(registry_url = "gcr.io:99999/x")]
fn flow() {}

fn main() {}
