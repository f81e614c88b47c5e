use flowimage::prelude::*;

#[flow_image(dry_run = ["day"])]
fn flow() {}

fn main() {}
