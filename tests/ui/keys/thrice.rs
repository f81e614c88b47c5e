use flowimage::prelude::*;

#[flow_image(user = "a", user = "b", user = "c")]
fn flow() {}

fn main() {}
