//! Messages of wrong declarations: text and place. `./test ui` runs it.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}
