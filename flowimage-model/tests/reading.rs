//! What a declaration reads of the crate's folder: the texts that it must know, and no declared file.

use std::cell::RefCell;

use flowimage_model::declare::{Item, Surroundings, declare};
use flowimage_model::names::PathKind;
use flowimage_model::tree::{Entry, Node, Tree, Value};

/// A crate in which there is everything, and which knows what it was asked for.
#[derive(Default)]
struct Asked {
    kinds: RefCell<Vec<String>>,
    texts: RefCell<Vec<String>>,
}

impl Surroundings for Asked {
    fn kind(&self, path: &str) -> Option<PathKind> {
        self.kinds.borrow_mut().push(path.to_owned());
        Some(PathKind::File)
    }

    fn text(&self, path: &str) -> Result<String, String> {
        self.texts.borrow_mut().push(path.to_owned());
        let dockerfile = path.ends_with("Dockerfile");
        Ok(if dockerfile {
            "FROM debian:12\nCOPY huge.bin /\n"
        } else {
            ""
        }
        .to_owned())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        panic!("{folder} is walked through")
    }
}

fn entry(key: &str, value: Value<()>) -> Entry<()> {
    Entry {
        key: key.to_owned(),
        key_place: (),
        value: Node { value, place: () },
    }
}

fn asked(entries: Vec<Entry<()>>) -> (Vec<String>, Vec<String>) {
    let item = Item {
        name: "flow",
        docs: "",
    };
    let asked = Asked::default();
    let (declaration, findings) = declare(&item, &(), Tree { entries }, &asked);
    assert!(declaration.is_some(), "{findings:?}");
    (asked.kinds.into_inner(), asked.texts.into_inner())
}

/// However large it is: it is looked at once, and never read.
#[test]
fn a_declared_file_is_not_read() {
    let text = |text: &str| Value::Text(text.to_owned());
    let files = Value::Map(vec![entry("huge.bin", text("/huge.bin"))]);
    let (kinds, texts) = asked(vec![entry("files", files)]);
    assert_eq!((kinds, texts), (vec!["huge.bin".to_owned()], Vec::new()));
}

#[test]
fn only_the_dockerfile_and_its_ignore_file_are_read() {
    let text = |text: &str| Value::Text(text.to_owned());
    let (_, texts) = asked(vec![entry("dockerfile", text("Dockerfile"))]);
    assert_eq!(texts, ["Dockerfile.dockerignore", "Dockerfile"]);
}
