use flowimage::prelude::*;

#[flow_image(ignore_healthchecks = true, health_checks = ["true"])]
fn flow() {}

fn main() {}
