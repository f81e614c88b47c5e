use flowimage::prelude::*;

#[flow_image(secrets = ["id=a,env=A,src=b"])]
fn flow() {}

fn main() {}
