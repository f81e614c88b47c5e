use flowimage::prelude::*;

#[flow_image(python_dependencies = ["Foo_Bar", "foo.bar>=1"])]
fn flow() {}

fn main() {}
