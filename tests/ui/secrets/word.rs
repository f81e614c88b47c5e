use flowimage::prelude::*;

#[flow_image(secrets = ["id=a,evn=A"])]
fn flow() {}

fn main() {}
