//! A flow on a base without any C library.

use flowimage::prelude::*;

/// Says where it was.
#[flow_image(base_image = "flowimage-test/busybox:static", libraries = "bundled")]
fn bundled() -> Result<String, std::io::Error> {
    Ok(format!(
        "libc on the base: {}",
        std::path::Path::new("/lib64").exists()
    ))
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
