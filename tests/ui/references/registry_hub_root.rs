use flowimage::prelude::*;

#[flow_image(registry_url = "docker.io")]
fn flow() {}

fn main() {}
