//! The keys of one flow from all places that say something: the attribute over its image over the defaults.

use super::{FILE, Settings};
use crate::names::GroupName;
use crate::suggest::suggest;
use crate::tree::{Entry, Findings, Mistake, Tree, Value};

/// Keys that exclude each other: the one said nearer to the flow drops the other.
const EXCLUSIVE: [(&str, &str); 2] = [("base_image", "dockerfile"), ("dockerfile", "base_image")];

/// Puts the keys of `[image.NAME]` and `[defaults]` under those of the attribute. A key replaces the whole value that
/// a farther place gives it.
pub fn layer<P: Clone>(mut nearest: Tree<P>, settings: &Settings<P>, findings: &mut Findings<P>) -> Tree<P> {
    let image = nearest.text("image").or_else(|| settings.defaults.text("image"));
    let image = image.and_then(|(name, place)| {
        let found = settings.images.get(name);
        // What is no name at all is said where the key is read.
        if found.is_none() && name.parse::<GroupName>().is_ok() {
            findings.mistake(no_image(name, place.clone(), settings));
        }
        found
    });
    for farther in image.into_iter().chain([&settings.defaults]) {
        let added: Vec<_> = farther
            .entries
            .iter()
            .filter(|entry| {
                !nearest
                    .entries
                    .iter()
                    .any(|near| displaces(&near.key, &entry.key))
            })
            .cloned()
            .collect();
        nearest.entries.extend(added);
    }
    nearest
}

fn displaces(near: &str, far: &str) -> bool {
    near == far || EXCLUSIVE.contains(&(near, far))
}

fn no_image<P: Clone>(name: &str, place: P, settings: &Settings<P>) -> Mistake<P> {
    let mistake = Mistake::new(place, format!("`{FILE}` has no `[image.{name}]`"));
    let known = settings.images.keys().map(String::as_str);
    match suggest(name, known.clone()) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None if settings.images.is_empty() => mistake.help(format!(
            "`{FILE}` lies beside `Cargo.toml` or at the workspace's root: write `[image.{name}]` there"
        )),
        None => mistake.help(format!("it has: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

/// A number that changes with whatever the file bakes into a flow of this image, and with nothing else of it.
///
/// FNV-1a, 64 bits: it tells a stale program, it protects nothing.
/// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
pub fn fingerprint<P>(settings: &Settings<P>, image: Option<&str>) -> u64 {
    let mut text = String::new();
    write_entries(&settings.defaults.entries, &mut text);
    if let Some(image) = image.and_then(|name| settings.images.get(name)) {
        text.push('|');
        write_entries(&image.entries, &mut text);
    }
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Writes values without their places; text in quotes, so that no two trees are written alike.
fn write_entries<P>(entries: &[Entry<P>], text: &mut String) {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|entry| &entry.key);
    for entry in sorted {
        text.push_str(&format!("{:?}=", entry.key));
        write_value(&entry.value.value, text);
        text.push(',');
    }
}

fn write_value<P>(value: &Value<P>, text: &mut String) {
    match value {
        Value::Text(word) => text.push_str(&format!("{word:?}")),
        Value::Flag(flag) => text.push_str(&flag.to_string()),
        Value::Other(other) => text.push_str(other),
        Value::List(items) => {
            text.push('[');
            for item in items {
                write_value(&item.value, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            write_entries(entries, text);
            text.push('}');
        }
    }
}
