use flowimage::prelude::*;

#[derive(FlowImage)]
#[flow_image()]
struct Flow<T>(T);

fn main() {}
