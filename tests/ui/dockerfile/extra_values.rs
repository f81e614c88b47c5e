use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = [
    "EXPOSE http",
    "ENV A = b",
    "ONBUILD FROM x",
    "LABEL a=\"b",
    "RUN",
])]
fn flow() {}

fn main() {}
