use flowimage::prelude::*;

#[flow_image()]
trait Flows {}

fn main() {}
