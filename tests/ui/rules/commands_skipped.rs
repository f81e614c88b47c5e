use flowimage::prelude::*;

#[flow_image(ignore_healthchecks = true, commands = ["git"])]
fn flow() {}

fn main() {}
