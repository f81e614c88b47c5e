use flowimage::prelude::*;

#[flow_image(labels = { k = "-----BEGIN RSA PRIVATE KEY-----" })]
fn flow() {}

fn main() {}
