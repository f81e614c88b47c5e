use flowimage::prelude::*;

#[flow_image(base_image = "scratch", extra_dockerfile_commands = ["RUN a"])]
fn flow() {}

fn main() {}
