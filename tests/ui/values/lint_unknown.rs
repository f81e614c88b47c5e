use flowimage::prelude::*;

#[flow_image(allow = ["zzz"])]
fn flow() {}

fn main() {}
