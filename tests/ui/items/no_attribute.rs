use flowimage::prelude::*;

#[derive(FlowImage)]
struct Flow {}

fn main() {}
