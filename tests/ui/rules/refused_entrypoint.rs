use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = ["ENTRYPOINT x"])]
fn flow() {}

fn main() {}
