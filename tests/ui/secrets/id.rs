use flowimage::prelude::*;

#[flow_image(secrets = ["id=a/b,env=A"])]
fn flow() {}

fn main() {}
