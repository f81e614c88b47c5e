use flowimage::prelude::*;

#[flow_image(allow = ["unpined_base"])]
fn flow() {}

fn main() {}
