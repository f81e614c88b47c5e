//! Flows of one program that cannot stand beside each other: told before any command does anything, and to a test.

use flowimage::prelude::*;

mod one {
    use super::*;

    #[flow_image(name = "same")]
    fn of_this_name() {}
}

mod other {
    use super::*;

    #[flow_image(name = "same")]
    fn of_this_name_too() {}
}

#[flow_image(image = "etl", user = "1000:1000", schedule = "@daily")]
fn as_one_user() {}

#[flow_image(image = "etl", user = "2000:2000", schedule = "@hourly")]
fn as_another() {}

const MISTAKES: [&str; 2] = [
    "`as-another` and `as-one-user` are of the image `etl`, but differ in `user`: say it in `[image.etl]`, or take one of \
     them out of the image",
    "two flows are named `same`, one in package `test-flows`, one in `test-flows`: give one of them another `name`",
];

#[test]
fn a_test_is_told_all_of_it() {
    assert_eq!(flowimage::check_declarations(), Err(MISTAKES.join("\nerror: ")));
}

#[test]
fn every_command_refuses_such_a_program() {
    for arguments in [
        &["list"][..],
        &["plan"],
        &["build"],
        &["check"],
        &["register"],
        &["describe"],
        &["dockerfile", "as-another"],
        &["run", "as-another"],
    ] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let words = std::iter::once(&"program").chain(arguments).map(Into::into);
        let status = flowimage_runtime::cli::main(words, &mut out, &mut err);
        let said = String::from_utf8(err).unwrap();
        assert!(status == 2 && out.is_empty(), "{arguments:?}: {status} {said}");
        for mistake in MISTAKES {
            assert!(said.contains(mistake), "{arguments:?}: {said}");
        }
    }
}
