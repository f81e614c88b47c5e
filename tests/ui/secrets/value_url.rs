use flowimage::prelude::*;

#[flow_image(env_vars = { DB = "postgres://etl:hunter2@db/orders" })]
fn flow() {}

fn main() {}
