use flowimage::prelude::*;

#[flow_image(commands = ["/usr/bin/git"])]
fn flow() {}

fn main() {}
