use flowimage::prelude::*;

#[flow_image(platfrom = "linux/amd64")]
fn flow() {}

fn main() {}
