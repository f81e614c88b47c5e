use flowimage::prelude::*;

struct Flows;

impl Flows {
    #[flow_image()]
    fn flow(&self) {}
}

fn main() {}
