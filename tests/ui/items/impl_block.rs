use flowimage::prelude::*;

struct Flows;

#[flow_image()]
impl Flows {}

fn main() {}
