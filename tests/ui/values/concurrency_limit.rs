use flowimage::prelude::*;

#[flow_image(concurrency_limit = 0)]
fn zero() {}

#[flow_image(concurrency_limit = -1)]
fn negative() {}

#[flow_image(concurrency_limit = "1")]
fn text() {}

#[flow_image(concurrency_limit = 2_147_483_648)]
fn too_large() {}

#[flow_image(concurrency_limit = 1.5)]
fn no_whole_number() {}

#[flow_image(concurrency_limit = 2_147_483_647)]
fn largest() {}

fn main() {}
