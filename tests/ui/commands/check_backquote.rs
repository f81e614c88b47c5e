use flowimage::prelude::*;

#[flow_image(health_checks = ["a `b`"])]
fn flow() {}

fn main() {}
