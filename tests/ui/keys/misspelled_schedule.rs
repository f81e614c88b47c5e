use flowimage::prelude::*;

#[flow_image(schedul = "@daily")]
fn flow() {}

fn main() {}
