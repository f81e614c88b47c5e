use flowimage::prelude::*;

#[flow_image()]
type Flows = u8;

fn main() {}
