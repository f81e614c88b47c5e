use flowimage::prelude::*;

#[flow_image(dockerfile = "tests/ui/dockerfile/stop_signal.Dockerfile")]
fn flow() {}

fn main() {}
