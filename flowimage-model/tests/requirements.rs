//! Our grammar of requirements against that of Python's own `packaging`.

#![allow(clippy::print_stdout, reason = "a test says what it left out")]

use std::path::Path;
use std::process::Command;

use flowimage_model::requirement::Requirement;

const VERDICTS: &str = include_str!("requirements/verdicts.txt");

fn disagreements(verdicts: &str) -> Vec<String> {
    let disagrees = |line: &&str| {
        let (verdict, text) = line.split_once(' ').unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        text.parse::<Requirement>().is_ok() != (verdict == "yes")
    };
    verdicts.lines().filter(disagrees).map(str::to_owned).collect()
}

#[test]
fn agrees_with_packaging() {
    assert!(VERDICTS.lines().count() >= 200);
    assert_eq!(disagreements(VERDICTS), Vec::<String>::new());
}

/// Where Python has `packaging`, the record is made again: a new version of it may have changed its mind.
#[test]
fn the_record_is_what_packaging_says() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/requirements/record.py");
    let output = Command::new("python3").arg(script).output();
    match output {
        Ok(output) if output.status.success() => {
            assert_eq!(
                disagreements(&String::from_utf8(output.stdout).unwrap()),
                Vec::<String>::new()
            );
        }
        _ => println!("skipped: no python3 with packaging here"),
    }
}
