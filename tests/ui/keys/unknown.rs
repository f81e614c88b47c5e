use flowimage::prelude::*;

#[flow_image(base_imag = "debian:12", zzz = true)]
fn flow() {}

fn main() {}
