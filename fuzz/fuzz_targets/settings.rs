#![no_main]
//! `flowimage.toml`: read, and laid under the keys of a flow; every mistake has a place in the text.

use flowimage_model::declare::{Item, Surroundings, declare};
use flowimage_model::names::PathKind;
use flowimage_model::settings::{Settings, layer};
use flowimage_model::tree::{Findings, Tree};
use libfuzzer_sys::fuzz_target;

struct Empty;

impl Surroundings for Empty {
    fn kind(&self, _: &str) -> Option<PathKind> {
        None
    }

    fn text(&self, _: &str) -> Result<String, String> {
        Err("it does not exist".to_owned())
    }

    fn names(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fuzz_target!(|text: &str| {
    let (settings, findings) = Settings::read(text);
    let lines = text.split('\n').count();
    for mistake in &findings.mistakes {
        assert!((1..=lines).contains(&mistake.place.line), "{mistake:?}");
        assert!(mistake.place.column >= 1, "{mistake:?}");
    }
    let _ = settings.running(Some("ci"));
    let nowhere = flowimage_model::tree::Position { line: 1, column: 1 };
    let mut found = Findings::default();
    let keys = layer(Tree::default(), &settings, &mut found);
    let item = Item {
        name: "flow",
        docs: "",
    };
    let (declaration, findings) = declare(&item, &nowhere, keys, &Empty);
    assert_eq!(declaration.is_none(), !findings.mistakes.is_empty());
});
