use flowimage::prelude::*;

#[flow_image(extra_dockerfile_commands = [
    "RUN --mount=type=cash,target=/x make",
    "HEALTHCHECK --interval=30 CMD true",
    "COPY --from=x:1 /a",
])]
fn flow() {}

fn main() {}
