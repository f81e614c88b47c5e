use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = [
    "COPY Cargo.toml /x",
    "ADD https://example.org/a.tar /x",
])]
fn flow() {}

fn main() {}
