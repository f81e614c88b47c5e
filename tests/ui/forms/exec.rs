use flowimage::prelude::*;

#[flow_image(exec = "python main.py")]
fn flow() {}

fn main() {}
