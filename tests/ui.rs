//! Messages of wrong declarations: text and place. `./test ui` runs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[test]
fn messages() {
    let huge = huge_file();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
    // It is now that they run.
    drop(cases);
    fs::remove_file(huge).unwrap();
}

/// For `values/huge_file.rs`. It takes no room: none of it was ever written.
fn huge_file() -> PathBuf {
    let path = PathBuf::from("target/huge");
    fs::create_dir_all("target").unwrap();
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    path
}

/// The messages that stand in the expected texts.
fn expected_messages() -> Vec<String> {
    let folders = fs::read_dir("tests/ui")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|folder| {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<PathBuf>>()
    });
    files
        .filter(|path| path.extension().is_some_and(|it| it == "stderr"))
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let errors = text.lines().filter_map(|line| line.strip_prefix("error: "));
            errors.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// A message without what is the case's own: quoted words, numbers and the place in a file.
fn template(message: &str) -> String {
    let mut template = String::new();
    for (index, part) in message.split('`').enumerate() {
        if index % 2 == 1 {
            template.push('_');
        } else {
            template.extend(part.chars().filter(|letter| !letter.is_ascii_digit()));
        }
    }
    template
}

#[test]
fn enough_cases_and_messages() {
    let messages = expected_messages();
    let templates: BTreeSet<_> = messages.iter().map(|message| template(message)).collect();
    assert!(messages.len() >= 150, "{} messages", messages.len());
    assert!(
        templates.len() >= 60,
        "{} templates: {templates:#?}",
        templates.len()
    );
}

#[test]
fn five_mistakes_are_five_errors() {
    let text = fs::read_to_string("tests/ui/values/five_mistakes.stderr").unwrap();
    assert_eq!(text.matches("error: ").count(), 5);
}

/// `hover/every_key.rs` has the compiler say which field each key leads to; here none of the catalogue is left out.
#[test]
fn every_key_leads_to_its_documentation() {
    let text = fs::read_to_string("tests/ui/hover/every_key.stderr").unwrap();
    for key in &flowimage_model::keys::KEYS {
        let message = format!(
            "error: use of deprecated field `__private::keys::Keys::{}`\n",
            key.name
        );
        assert_eq!(text.matches(&message).count(), 1, "{}", key.name);
    }
    assert_eq!(text.matches("error: ").count(), flowimage_model::keys::KEYS.len());
}
