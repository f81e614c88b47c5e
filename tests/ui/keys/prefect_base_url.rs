use flowimage::prelude::*;

#[flow_image(base_url = "unix:///x")]
fn flow() {}

fn main() {}
