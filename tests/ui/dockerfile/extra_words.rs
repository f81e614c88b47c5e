use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = [
    "echo hello",
    "RUNN make",
    "# a comment",
    "RUN make \\",
    "RUN cat <<EOF",
])]
fn flow() {}

fn main() {}
