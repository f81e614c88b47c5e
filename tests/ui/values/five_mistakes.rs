use flowimage::prelude::*;

#[flow_image(
    name = "Nightly Orders",
    registry_url = "https://gcr.io/dev",
    base_image = "Debian:bookworm",
    system_dependencies = ["curl wget"],
    env_vars = { "1A" = "x" },
)]
fn flow() {}

fn main() {}
