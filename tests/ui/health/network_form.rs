use flowimage::prelude::*;

#[flow_image(health_checks_network = "yes")]
fn flow() {}

fn main() {}
