use flowimage::prelude::*;

#[flow_image(dry_run = { source = "postgres://u:p4ss@e.example/db" })]
fn flow(source: String) -> usize {
    source.len()
}

fn main() {}
