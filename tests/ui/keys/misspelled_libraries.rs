use flowimage::prelude::*;

#[flow_image(librarys = "image")]
fn flow() {}

fn main() {}
