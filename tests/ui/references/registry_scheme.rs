use flowimage::prelude::*;

#[flow_image(registry_url = "https://gcr.io/dev")]
fn flow() {}

fn main() {}
