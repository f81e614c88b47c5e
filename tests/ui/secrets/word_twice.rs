use flowimage::prelude::*;

#[flow_image(secrets = ["id=a,id=b"])]
fn flow() {}

fn main() {}
