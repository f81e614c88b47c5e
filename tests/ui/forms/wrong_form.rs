use flowimage::prelude::*;

#[flow_image(system_dependencies = "curl", ignore_healthchecks = "yes", env_vars = ["A"], name = true)]
fn flow() {}

fn main() {}
