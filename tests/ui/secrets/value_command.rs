use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = ["RUN curl https://u:p4ss@e.example"])]
fn flow() {}

fn main() {}
