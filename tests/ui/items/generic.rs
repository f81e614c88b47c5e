use flowimage::prelude::*;

#[flow_image()]
fn flow<T>(value: T) {}

fn main() {}
