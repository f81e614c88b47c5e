use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = ["RUN"])]
fn flow() {}

fn main() {}
