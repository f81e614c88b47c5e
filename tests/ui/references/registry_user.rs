use flowimage::prelude::*;

#[flow_image(registry_url = "me@gcr.io")]
fn flow() {}

fn main() {}
