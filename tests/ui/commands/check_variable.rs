use flowimage::prelude::*;

#[flow_image(health_checks = ["echo $HOME"])]
fn flow() {}

fn main() {}
