use flowimage::prelude::*;

#[flow_image(health_checks = ["A=1 b"])]
fn flow() {}

fn main() {}
