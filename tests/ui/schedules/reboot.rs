use flowimage::prelude::*;

#[flow_image(schedule = "@reboot")]
fn flow() {}

fn main() {}
