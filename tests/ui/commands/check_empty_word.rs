use flowimage::prelude::*;

#[flow_image(health_checks = ["'' a"])]
fn flow() {}

fn main() {}
