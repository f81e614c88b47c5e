//! Every flow of the strict crate is in its program.

use std::process::Command;

#[test]
fn every_flow_is_there() {
    let output = Command::new(env!("CARGO_BIN_EXE_test-expansion"))
        .arg("list")
        .output()
        .unwrap();
    // What is known of each stands below its name, set in.
    let names: String = String::from_utf8(output.stdout)
        .unwrap()
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(
        names,
        "among-other-names  \n\
         attribute-first  A type, the attribute above the derive.\n\
         derive-first  A type, the derive above the attribute.\n\
         everything  everything\n\
         macro-first  Written by a macro.\n\
         macro-second  \n\
         nothing  Nothing at all.\n"
    );
}
