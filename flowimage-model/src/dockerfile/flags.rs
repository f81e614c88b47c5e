//! The flags of instructions: which there are, and what they take.

use super::DockerfileMistake;
use super::instruction::{Flag, Instruction};
use super::values;
use crate::suggest::{instead, suggest};

/// A flag that an instruction knows.
struct Known {
    name: &'static str,
    takes: Takes,
    /// Whether it may stand more than once.
    again: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Takes {
    /// Nothing, `true` or `false`.
    Switch,
    Text,
    Duration,
    Count,
    Platform,
    Mode,
    Mount,
    /// One of these.
    Word(&'static [&'static str]),
}

const fn once(name: &'static str, takes: Takes) -> Known {
    Known {
        name,
        takes,
        again: false,
    }
}

const fn again(name: &'static str, takes: Takes) -> Known {
    Known {
        name,
        takes,
        again: true,
    }
}

/// Source: BuildKit `frontend/dockerfile/instructions/parse.go` and `commands_run*.go`.
fn known(word: &str) -> &'static [Known] {
    const NETWORKS: &[&str] = &["default", "host", "none"];
    match word {
        "ADD" => {
            const {
                &[
                    once("checksum", Takes::Text),
                    once("chmod", Takes::Mode),
                    once("chown", Takes::Text),
                    again("exclude", Takes::Text),
                    once("keep-git-dir", Takes::Switch),
                    once("link", Takes::Switch),
                    once("unpack", Takes::Switch),
                ]
            }
        }
        "COPY" => {
            const {
                &[
                    once("chmod", Takes::Mode),
                    once("chown", Takes::Text),
                    again("exclude", Takes::Text),
                    once("from", Takes::Text),
                    once("link", Takes::Switch),
                    once("parents", Takes::Switch),
                ]
            }
        }
        "FROM" => const { &[once("platform", Takes::Platform)] },
        "HEALTHCHECK" => {
            const {
                &[
                    once("interval", Takes::Duration),
                    once("retries", Takes::Count),
                    once("start-interval", Takes::Duration),
                    once("start-period", Takes::Duration),
                    once("timeout", Takes::Duration),
                ]
            }
        }
        "RUN" => {
            const {
                &[
                    again("device", Takes::Text),
                    again("mount", Takes::Mount),
                    once("network", Takes::Word(NETWORKS)),
                    once("security", Takes::Word(&["insecure", "sandbox"])),
                ]
            }
        }
        _ => &[],
    }
}

/// Looks at the flags of an instruction.
pub(super) fn check(instruction: &Instruction, mistakes: &mut Vec<DockerfileMistake>) {
    let known = known(&instruction.word);
    for (index, flag) in instruction.flags.iter().enumerate() {
        let Some(form) = known.iter().find(|it| it.name == flag.name) else {
            mistakes.push(unknown(instruction, flag, known));
            continue;
        };
        let twice = instruction.flags[..index].iter().any(|it| it.name == flag.name);
        if twice && !form.again {
            let message = format!("`--{}` stands twice", flag.name);
            mistakes.push(
                instruction
                    .mistake(flag.offset, message)
                    .with_help("keep one of them"),
            );
        }
        value(instruction, flag, form.takes, mistakes);
    }
}

fn unknown(instruction: &Instruction, flag: &Flag, known: &[Known]) -> DockerfileMistake {
    let word = &instruction.word;
    let mistake = instruction.mistake(flag.offset, format!("`{word}` has no flag `--{}`", flag.name));
    if known.is_empty() {
        return mistake.with_help(format!(
            "`{word}` takes no flags; a command that begins with `--` goes into a JSON array"
        ));
    }
    match suggest(&flag.name, known.iter().map(|it| it.name)) {
        Some(near) => mistake.with_help(format!("did you mean `--{near}`?")),
        None => {
            let names: Vec<_> = known.iter().map(|it| format!("--{}", it.name)).collect();
            mistake.with_help(format!("expected one of: {}", names.join(", ")))
        }
    }
}

/// Looks at what is given to a flag. Variables are left alone.
fn value(instruction: &Instruction, flag: &Flag, takes: Takes, mistakes: &mut Vec<DockerfileMistake>) {
    let name = &flag.name;
    let mut refuse = |message: String, help: String| {
        mistakes.push(instruction.mistake(flag.value_offset(), message).with_help(help));
    };
    let text = match flag.value.as_deref() {
        None if takes == Takes::Switch => return,
        None | Some("") => {
            let message = format!("`--{name}` has no value");
            return mistakes.push(
                instruction
                    .mistake(flag.offset, message)
                    .with_help(format!("write it after `=`, without blanks: `--{name}=…`")),
            );
        }
        Some(text) if text.contains('$') => return,
        Some(text) => text,
    };
    match takes {
        Takes::Text => {}
        Takes::Switch if matches!(text, "true" | "false") => {}
        Takes::Switch => refuse(
            format!("`--{name}` is `true` or `false`, not `{text}`"),
            format!("write `--{name}`"),
        ),
        Takes::Duration => match values::duration(text) {
            None => {
                let help = match text.parse::<u64>() {
                    Ok(number) => format!("write `{number}s` for seconds"),
                    Err(_) => "write a number and its unit: `500ms`, `30s`, `5m`, `1h30m`".to_owned(),
                };
                refuse(format!("`{text}` is no duration"), help);
            }
            Some(duration) if duration != 0.0 && duration < 1e6 => refuse(
                format!("`{text}` is too short"),
                "1 ms is the least; 0 is the default".to_owned(),
            ),
            Some(_) => {}
        },
        Takes::Count if text.parse::<u32>().is_ok_and(|it| i32::try_from(it).is_ok()) => {}
        Takes::Count => refuse(
            format!("`{text}` is no number of times"),
            format!("write `--{name}=3`"),
        ),
        Takes::Platform => {
            let parts: Vec<_> = text.split('/').collect();
            let fits = |part: &&str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|it| it.is_ascii_alphanumeric() || b"._-()".contains(&it))
            };
            if parts.len() > 3 || !parts.iter().all(fits) {
                refuse(
                    format!("`{text}` is no platform"),
                    "write system and processor: `linux/amd64`, `linux/arm64/v8`".to_owned(),
                );
            }
        }
        Takes::Mode => {
            if !is_mode(text) {
                refuse(
                    format!("`{text}` is no mode"),
                    "write octal digits: `0755`, `644`".to_owned(),
                );
            }
        }
        Takes::Mount => mount(instruction, flag, text, mistakes),
        Takes::Word(words) if words.contains(&text) => {}
        Takes::Word(words) => refuse(
            format!("`{text}` is nothing that `--{name}` takes"),
            instead(text, words),
        ),
    }
}

/// Octal, or symbolic as newer builders take it: `u=rwX,go=rX`.
fn is_mode(text: &str) -> bool {
    let octal = (1..=5).contains(&text.len()) && text.bytes().all(|it| matches!(it, b'0'..=b'7'));
    octal
        || text.split(',').all(|clause| {
            let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
            rest.starts_with(['+', '-', '=']) && rest[1..].bytes().all(|it| b"rwxXstugo+-=".contains(&it))
        })
}

/// The keys of a mount of this kind, aliases included.
fn mount_keys(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "bind" => &[
            "target",
            "dst",
            "destination",
            "source",
            "src",
            "from",
            "rw",
            "readwrite",
            "ro",
            "readonly",
        ],
        "cache" => &[
            "target",
            "dst",
            "destination",
            "id",
            "source",
            "src",
            "from",
            "sharing",
            "mode",
            "uid",
            "gid",
            "ro",
            "readonly",
            "rw",
            "readwrite",
        ],
        "tmpfs" => &["target", "dst", "destination", "size"],
        "secret" | "ssh" => &[
            "id",
            "target",
            "dst",
            "destination",
            "source",
            "src",
            "required",
            "mode",
            "uid",
            "gid",
            "env",
        ],
        _ => return None,
    })
}

fn mount(instruction: &Instruction, flag: &Flag, text: &str, mistakes: &mut Vec<DockerfileMistake>) {
    const KINDS: [&str; 5] = ["bind", "cache", "secret", "ssh", "tmpfs"];
    let pairs: Vec<_> = text
        .split(',')
        .map(|pair| {
            pair.split_once('=')
                .map_or((pair, None), |(key, value)| (key, Some(value)))
        })
        .collect();
    let of = |wanted: &[&str]| {
        pairs
            .iter()
            .find(|(key, _)| wanted.contains(key))
            .and_then(|(_, value)| *value)
    };
    let kind = of(&["type"]).unwrap_or("bind");
    let mut refuse = |message: String, help: String| {
        mistakes.push(instruction.mistake(flag.value_offset(), message).with_help(help));
    };
    let Some(keys) = mount_keys(kind) else {
        return refuse(format!("`{kind}` is no type of mount"), instead(kind, &KINDS));
    };
    for (key, _) in &pairs {
        if *key != "type" && !keys.contains(key) {
            refuse(
                format!("a mount of type `{kind}` has no `{key}`"),
                instead(key, keys),
            );
        }
    }
    let has_target = of(&["target", "dst", "destination"]).is_some();
    if matches!(kind, "bind" | "cache" | "tmpfs") && !has_target {
        refuse(
            format!("a mount of type `{kind}` has no `target`"),
            "say where it appears: `target=/path`".to_owned(),
        );
    }
}
