use flowimage::prelude::*;

#[flow_image(dry_run = { "a-b" = "1" })]
fn flow() {}

fn main() {}
