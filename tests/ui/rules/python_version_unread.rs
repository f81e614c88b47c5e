use flowimage::prelude::*;

#[flow_image(base_image = "debian:12", python_version = "3.12")]
fn flow() {}

fn main() {}
