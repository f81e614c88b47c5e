use flowimage::prelude::*;

#[flow_image(system_dependencies = ["curl"], secrets = ["A", "id=A,env=B"])]
fn flow() {}

fn main() {}
