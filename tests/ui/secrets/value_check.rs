use flowimage::prelude::*;

#[flow_image(health_checks = ["curl https://u:p4ss@e.example"])]
fn flow() {}

fn main() {}
