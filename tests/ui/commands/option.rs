use flowimage::prelude::*;

#[flow_image(commands = ["-x"])]
fn flow() {}

fn main() {}
