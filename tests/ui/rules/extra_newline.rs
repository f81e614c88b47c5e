use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = ["RUN a\nRUN b"])]
fn flow() {}

fn main() {}
