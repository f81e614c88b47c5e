//! Every flow of the strict crate is in its program, which is compiled anew when a text that a flow was read with changes.

use std::fs;
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
         nothing  Nothing at all.\n\
         own  With a Dockerfile, which has an ignore file, and a file that is declared.\n"
    );
}

/// What cargo compiles the crate again for, as the compiler told it beside the crate.
#[test]
fn texts_that_were_read_are_followed_and_declared_files_are_not() {
    let told = std::env::current_exe().unwrap();
    let told = fs::read_dir(told.parent().unwrap()).unwrap();
    // Whoever compiled it otherwise at another time has left one too.
    let told = told
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            let name = entry.file_name().into_string().unwrap_or_default();
            name.starts_with("test_expansion-") && name.ends_with(".d")
        })
        .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
        .filter(|(_, path)| fs::read_to_string(path).unwrap().contains("src/lib.rs"))
        .max();
    let told = fs::read_to_string(told.unwrap().1).unwrap();
    let follows = |name: &str| {
        told.split_whitespace()
            .any(|path| path.ends_with(&format!("tests/expansion/{name}")))
    };
    assert!(follows("own.Dockerfile"), "{told}");
    assert!(follows("own.Dockerfile.dockerignore"), "{told}");
    assert!(follows("src/lib.rs") && !follows("Cargo.toml"), "{told}");
}
