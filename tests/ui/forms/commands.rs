use flowimage::prelude::*;

#[flow_image(commands = "git")]
fn flow() {}

fn main() {}
