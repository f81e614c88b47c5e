use flowimage::prelude::*;

#[flow_image(env_vars = { DB = "Server=db;Uid=sa;Pwd=hunter2" })]
fn flow() {}

fn main() {}
