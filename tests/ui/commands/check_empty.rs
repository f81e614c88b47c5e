use flowimage::prelude::*;

#[flow_image(health_checks = [""])]
fn flow() {}

fn main() {}
