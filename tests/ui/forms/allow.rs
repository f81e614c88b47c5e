use flowimage::prelude::*;

#[flow_image(allow = "unpinned_base")]
fn flow() {}

fn main() {}
