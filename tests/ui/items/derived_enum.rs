use flowimage::prelude::*;

#[derive(FlowImage)]
enum Flow {}

fn main() {}
