use flowimage::prelude::*;

#[flow_image(files = { "Cargo.tml" => "/x", "nowhere/at/all" => "/y" })]
fn flow() {}

fn main() {}
