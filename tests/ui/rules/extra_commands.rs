use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = ["FROM x", "USER y", "RUNN z", "echo hello", "RUN a \\"])]
fn flow() {}

fn main() {}
