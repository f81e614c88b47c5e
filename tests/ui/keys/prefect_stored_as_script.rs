use flowimage::prelude::*;

#[flow_image(stored_as_script = true)]
fn flow() {}

fn main() {}
