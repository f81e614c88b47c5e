use flowimage::prelude::*;

#[flow_image()]
struct Flow;

fn main() {}
