use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = ["CMD x"])]
fn flow() {}

fn main() {}
