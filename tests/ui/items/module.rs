use flowimage::prelude::*;

#[flow_image()]
mod flows {}

fn main() {}
