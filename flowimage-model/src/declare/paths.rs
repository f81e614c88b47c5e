//! Paths on the author's machine: what they lead to, and what was probably meant where they lead nowhere.

use super::Surroundings;
use super::read::{self, Placed, Reader};
use crate::names::{ContainerPath, PathKind};
use crate::tree::Mistake;

/// One entry of `files`, with places of both halves.
pub(super) struct PlacedFile<P> {
    pub(super) source: Placed<String, P>,
    pub(super) destination: Placed<ContainerPath, P>,
    pub(super) kind: Option<PathKind>,
}

/// Reads `files`, where a destination that ends in `/` takes the source's own name.
pub(super) fn read_files<P: Clone>(
    reader: &mut Reader<P>,
    surroundings: &dyn Surroundings,
) -> Vec<PlacedFile<P>> {
    let mut files = Vec::new();
    for (source, destination) in reader.map::<String, String>("files") {
        let kind = surroundings.kind(&source.value);
        if kind.is_none() {
            reader.findings.mistake(missing_path(
                &source.place,
                "file or folder",
                &source.value,
                "it does not exist",
                surroundings,
            ));
        }
        let mut text = destination.value.clone();
        if text.ends_with('/') && text.len() > 1 && kind == Some(PathKind::File) {
            text.push_str(source.value.rsplit('/').next().unwrap_or_default());
        }
        match text.parse() {
            Ok(value) => files.push(PlacedFile {
                source,
                destination: Placed {
                    value,
                    place: destination.place,
                },
                kind,
            }),
            Err(error) => reader
                .findings
                .mistake(read::from_value_error(destination.place, &error)),
        }
    }
    files
}

/// A path that cannot be had, with the nearest name in the nearest folder that exists.
pub(super) fn missing_path<P: Clone>(
    place: &P,
    what: &str,
    path: &str,
    why: &str,
    surroundings: &dyn Surroundings,
) -> Mistake<P> {
    let mistake = Mistake::new(place.clone(), format!("{what} `{path}` cannot be read: {why}"));
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let names = surroundings.names(if folder.is_empty() { "/" } else { folder });
    let near = crate::suggest::suggest(name, names.iter().map(String::as_str));
    let help = match near {
        Some(near) if folder == "." => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{folder}/{near}`?"),
        None => "relative paths start at the folder of `Cargo.toml`".to_owned(),
    };
    mistake.help(help)
}
