use flowimage::prelude::*;

#[flow_image(skip_health_checks = ["pipcheck"])]
fn flow() {}

fn main() {}
