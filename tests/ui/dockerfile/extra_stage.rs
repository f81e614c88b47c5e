use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = [
    "FROM debian:12",
    "USER app",
    "ENTRYPOINT [\"a\"]",
    "CMD a",
])]
fn flow() {}

fn main() {}
