//! What a user's Dockerfile draws from: images, and paths of its context.

use std::collections::{BTreeMap, BTreeSet};

use flowimage_model::dockerfile::Dockerfile;
use flowimage_model::escape::expand_env;

/// The images that stages start from or copy from, stages and the empty image aside. What only the builder can
/// expand is left out.
pub(super) fn images(dockerfile: &Dockerfile, build_args: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut arguments: BTreeMap<String, String> = BTreeMap::new();
    let mut stages = BTreeSet::new();
    let mut images = BTreeSet::new();
    let mut add = |image: String, stages: &BTreeSet<String>| {
        let is_stage = stages.contains(&image.to_ascii_lowercase()) || image.parse::<usize>().is_ok();
        if !is_stage && image != "scratch" && !image.is_empty() && !image.contains('$') {
            images.insert(image);
        }
    };
    for instruction in dockerfile.instructions() {
        let words: Vec<&str> = instruction.arguments.split_whitespace().collect();
        match instruction.word.as_str() {
            // Only those before the first FROM are seen by a FROM.
            "ARG" if stages.is_empty() => {
                let (name, default) = instruction
                    .arguments
                    .split_once('=')
                    .unwrap_or((&instruction.arguments, ""));
                let default = default.trim().trim_matches(['"', '\'']);
                let value = build_args
                    .get(name.trim())
                    .cloned()
                    .unwrap_or_else(|| default.to_owned());
                arguments.insert(name.trim().to_owned(), value);
            }
            "FROM" => {
                let mut words = words.into_iter().filter(|word| !word.starts_with("--"));
                let image = words.next().unwrap_or_default();
                add(expand_env(image, &|name| arguments.get(name).cloned()), &stages);
                let name = words.nth(1).unwrap_or_default();
                stages.insert(name.to_ascii_lowercase());
            }
            "COPY" | "RUN" => {
                for word in words.iter().take_while(|word| word.starts_with("--")) {
                    let options = word.trim_start_matches("--").split(',');
                    for option in options {
                        let option = option.strip_prefix("mount=").unwrap_or(option);
                        if let Some(image) = option.strip_prefix("from=") {
                            add(image.to_owned(), &stages);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    images
}

/// The paths of the context that the Dockerfile copies; `None` where that cannot be told from its text alone.
pub(super) fn paths(dockerfile: &Dockerfile) -> Option<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for instruction in dockerfile.instructions() {
        let arguments = instruction.arguments.as_str();
        match instruction.word.as_str() {
            "RUN" if arguments.contains("--mount") => {
                let binds = arguments
                    .split_whitespace()
                    .filter_map(|word| word.strip_prefix("--mount="))
                    .any(|mount| {
                        let is_bind = mount.contains("type=bind") || !mount.contains("type=");
                        is_bind && !mount.contains("from=")
                    });
                if binds {
                    return None;
                }
            }
            "ONBUILD" => return None,
            "COPY" | "ADD" => paths.extend(copied(arguments)?),
            _ => {}
        }
    }
    Some(paths)
}

/// The sources of a `COPY` or `ADD`, relative to the context; nothing where they are another stage's or from the net.
fn copied(arguments: &str) -> Option<Vec<String>> {
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    while words.first().is_some_and(|word| word.starts_with("--")) {
        if words.remove(0).starts_with("--from=") {
            return Some(Vec::new());
        }
    }
    let words: Vec<String> = if words.first().is_some_and(|word| word.starts_with('[')) {
        serde_json::from_str(&words.join(" ")).ok()?
    } else {
        words.into_iter().map(str::to_owned).collect()
    };
    let (_, sources) = words.split_last()?;
    let plain = |source: &String| {
        let path = source.trim_start_matches("./").trim_matches('/').to_owned();
        let odd = path.is_empty() || path == "." || path.contains(['$', '*', '?', '[', '\\', '"', '\'', '<']);
        let leaves = path.split('/').any(|part| matches!(part, "." | ".." | ""));
        (!odd && !leaves).then_some(path)
    };
    sources
        .iter()
        .filter(|source| !source.contains("://"))
        .map(plain)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Dockerfile {
        Dockerfile::parse(text).unwrap()
    }

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn images_of_all_stages_with_their_arguments() {
        let text = "ARG TAG=12\nARG TOOL=gcc\nFROM debian:${TAG} AS base\nFROM $TOOL as build\nCOPY --from=base /a /a\n\
                    COPY --from=busybox:static /b /b\nRUN --mount=type=bind,from=alpine,target=/x true\nFROM build\n\
                    COPY --from=0 /c /c\nFROM scratch\n";
        let args = BTreeMap::from([("TAG".to_owned(), "13".to_owned())]);
        assert_eq!(
            images(&parsed(text), &args),
            set(&["alpine", "busybox:static", "debian:13", "gcc"])
        );
    }

    #[test]
    fn paths_that_can_be_told() {
        let of = |lines: &str| paths(&parsed(&format!("FROM a\n{lines}\n")));
        assert_eq!(of("RUN true"), Some(set(&[])));
        assert_eq!(
            of("COPY --chown=1:1 ./req.txt conf/ /x/\nADD [\"a b\", \"/y\"]\nADD https://x.org/z /z"),
            Some(set(&["a b", "conf", "req.txt"]))
        );
        assert_eq!(of("COPY --from=b . /x"), Some(set(&[])));
        for all in [
            "COPY . /app",
            "COPY *.txt /x/",
            "COPY $FILE /x",
            "COPY a/../b /x",
            "RUN --mount=type=bind,target=/src make",
            "COPY <<EOF /x\nhello\nEOF",
        ] {
            assert_eq!(of(all), None, "{all}");
        }
    }
}
