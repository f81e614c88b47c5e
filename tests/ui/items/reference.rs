use flowimage::prelude::*;

#[flow_image()]
fn flow(text: &str) {}

fn main() {}
