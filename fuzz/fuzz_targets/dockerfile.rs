#![no_main]
//! Dockerfiles, their lints, and ignore files: no panic, every mistake within the text, and folders that are not
//! entered hold nothing.

use flowimage_model::declare::Surroundings;
use flowimage_model::dockerfile::{Dockerfile, DockerfileMistake, check_alone, context_sources};
use flowimage_model::ignore::Ignore;
use flowimage_model::names::PathKind;
use libfuzzer_sys::fuzz_target;

/// A context in which some names exist.
struct Half;

impl Surroundings for Half {
    fn kind(&self, path: &str) -> Option<PathKind> {
        match path.len() % 3 {
            0 => None,
            1 => Some(PathKind::File),
            _ => Some(PathKind::Folder),
        }
    }

    fn text(&self, _: &str) -> Result<String, String> {
        Err("no text is asked for".to_owned())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        (folder.len() < 20)
            .then(|| ["a", "a.md", "src", "Dockerfile"].map(str::to_owned).to_vec())
            .unwrap_or_default()
    }
}

fn within(text: &str, mistake: &DockerfileMistake) {
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(mistake.line >= 1 && mistake.line <= lines.len(), "{mistake:?}");
    let length = lines[mistake.line - 1].chars().count();
    assert!(mistake.column >= 1 && mistake.column <= length + 1, "{mistake:?}");
    assert!(!mistake.message.is_empty());
}

fn ignore(text: &str) {
    let Ok(ignore) = Ignore::parse(text) else { return };
    for line in text.lines() {
        let path = line.trim_matches(['/', '!', ' ']);
        if path.is_empty() || path.contains("//") {
            continue;
        }
        for (end, _) in path.match_indices('/') {
            if ignore.excludes_all_below(&path[..end]) {
                assert!(ignore.excludes(path), "{path}");
            }
        }
        assert_eq!(ignore.excludes(path), ignore.reason(path).is_some());
    }
}

fuzz_target!(|text: &str| {
    match Dockerfile::parse(text) {
        Ok(file) => {
            file.final_user();
            assert!(file.final_base().is_some());
            for doubt in file.doubts() {
                within(text, &doubt.mistake);
            }
            for mistake in file.missing_sources(&Half, &Ignore::default(), "the defaults") {
                within(text, &mistake);
            }
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in &mistakes {
                within(text, mistake);
            }
        }
    }
    Dockerfile::read(text).final_base();
    let first = text.lines().next().unwrap_or_default();
    if let Err(mistakes) = check_alone(first) {
        for mistake in &mistakes {
            within(first, mistake);
        }
    }
    context_sources(first);
    ignore(text);
});
