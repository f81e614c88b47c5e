use flowimage::prelude::*;

#[flow_image()]
enum Flow {
    A,
}

fn main() {}
