use flowimage::prelude::*;

#[flow_image(apt = ["curl"])]
fn flow() {}

fn main() {}
