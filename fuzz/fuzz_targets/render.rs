#![no_main]
//! parse(render(x)): a builder reads in the rendered text what was declared. Lines of the input are values.

#[path = "../../flowimage-model/tests/builder/mod.rs"]
mod builder;
#[path = "../../flowimage-model/tests/declared/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod declared;

use std::collections::BTreeMap;

use builder::{Docker, words};
use declared::Declared;

use flowimage_model::dockerfile::Dockerfile;
use flowimage_model::escape::{copy_source, expand_env};
use flowimage_model::names::{ContainerPath, EnvValue};
use flowimage_model::render::{render, staged_file};
use libfuzzer_sys::fuzz_target;

fn pairs(arguments: &str, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let pairs = words(arguments).into_iter().map(|word| {
        let (name, value) = word.split_once('=').expect("a pair");
        let read = |text| Docker::read(text, env).expect("a builder reads it");
        (read(name), read(value))
    });
    pairs.collect()
}

fn declared(text: &str) -> Declared {
    let mut declared = Declared {
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        files: Default::default(),
    };
    for (number, line) in text.split('\n').take(12).enumerate() {
        let plain = !line.contains(['\r', '\0']);
        if plain && line.parse::<EnvValue>().is_ok() {
            declared.env.insert(format!("V{number}"), line.to_owned());
        }
        if plain {
            declared.labels.insert(format!("l{number}"), line.to_owned());
        }
        let path = format!("/f/{line}");
        if path.parse::<ContainerPath>().is_ok_and(|it| it.as_str() == path) && !path[3..].contains('/') {
            declared.files.insert(path);
        }
    }
    declared
}

fuzz_target!(|text: &str| {
    let env = BTreeMap::from([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]);
    let declared = declared(text);
    let Some(declaration) = declared.declaration("debian:12") else {
        return;
    };
    let text = render(&declaration).text;
    let parsed = Dockerfile::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"));
    let of = |word: &'static str| parsed.instructions().iter().filter(move |it| it.word == word);
    let expected: BTreeMap<_, _> = declared
        .env
        .iter()
        .map(|(name, value)| (name.clone(), expand_env(value, &|name| env.get(name).cloned())))
        .collect();
    let read: BTreeMap<_, _> = of("ENV").flat_map(|it| pairs(&it.arguments, &env)).collect();
    assert_eq!(read, expected, "{text}");
    let read: BTreeMap<_, _> = of("LABEL").flat_map(|it| pairs(&it.arguments, &env)).collect();
    assert_eq!(read, declared.labels, "{text}");
    for path in &declared.files {
        let source = flowimage_model::escape::word_array(&[copy_source(&staged_file(path)), path.clone()]);
        assert!(of("COPY").any(|it| it.arguments == source), "{path}\n{text}");
    }
});
