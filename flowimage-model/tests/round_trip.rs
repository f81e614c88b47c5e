//! parse(render(x)): what a builder reads in the rendered Dockerfile is what was declared.

mod builder;
mod declared;

use std::collections::{BTreeMap, BTreeSet};

use builder::{Docker, words};
use declared::Declared;
use flowimage_model::dockerfile::Dockerfile;
use flowimage_model::escape::expand_env;
use flowimage_model::render::{render, staged_file};

fn pairs(arguments: &str, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let pairs = words(arguments).into_iter().map(|word| {
        let (name, value) = word.split_once('=').expect("a pair");
        let read = |text| Docker::read(text, env).unwrap_or_else(|why| panic!("{why}: {word}"));
        (read(name), read(value))
    });
    pairs.collect()
}

#[test]
fn a_builder_reads_what_was_declared() {
    let env = BTreeMap::from([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]);
    for seed in 1..60 {
        let declared = Declared::generate(seed);
        let text = render(&declared.declaration("debian:12").unwrap()).text;
        let parsed = Dockerfile::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"));
        assert_eq!(parsed.doubts(), [], "{text}");
        let of = |word: &'static str| parsed.instructions().iter().filter(move |it| it.word == word);
        let expected: BTreeMap<_, _> = declared
            .env
            .iter()
            .map(|(name, value)| (name.clone(), expand_env(value, &|name| env.get(name).cloned())))
            .collect();
        let read: BTreeMap<_, _> = of("ENV").flat_map(|it| pairs(&it.arguments, &env)).collect();
        assert_eq!(read, expected);
        let read: BTreeMap<_, _> = of("LABEL").flat_map(|it| pairs(&it.arguments, &env)).collect();
        assert_eq!(read, declared.labels);
        let copied: BTreeSet<_> = of("COPY")
            .filter_map(|it| serde_json::from_str::<Vec<String>>(&it.arguments).ok())
            .map(|copy| {
                let [source, destination] = copy.try_into().expect("a source and a destination");
                let destination = Docker::read_all(&destination, &env).unwrap();
                let source = Docker::read_all(&source, &env).unwrap();
                assert_eq!(
                    source,
                    flowimage_model::escape::copy_source(&staged_file(&destination))
                );
                destination
            })
            .collect();
        assert_eq!(copied, declared.files);
    }
}
