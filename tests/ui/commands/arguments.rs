use flowimage::prelude::*;

#[flow_image(commands = ["git --version"])]
fn flow() {}

fn main() {}
