use flowimage::prelude::*;

#[flow_image(exec = ["x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc"])]
fn flow() {}

fn main() {}
