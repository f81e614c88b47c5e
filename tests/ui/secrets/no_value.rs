use flowimage::prelude::*;

#[flow_image(secrets = ["id=,env=A"])]
fn flow() {}

fn main() {}
