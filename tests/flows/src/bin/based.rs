//! A flow on a base image, with nothing that needs `RUN`.

use flowimage::prelude::*;

/// Says where it is.
#[flow_image(base_image = "debian:bookworm-slim")]
fn based() -> Result<String, std::io::Error> {
    std::fs::read_to_string("/etc/debian_version")
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
