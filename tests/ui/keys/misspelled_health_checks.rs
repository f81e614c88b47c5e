use flowimage::prelude::*;

#[flow_image(helth_checks = [])]
fn flow() {}

fn main() {}
