use flowimage::prelude::*;

#[flow_image(libraries = "static")]
fn flow() {}

fn main() {}
