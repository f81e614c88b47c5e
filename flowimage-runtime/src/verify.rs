//! `build --verify`: the image is made a second time, from nothing that is remembered, and must be the same to the
//! byte.
//!
//! What an engine built stays as it is: the steps of an environment write the time into their files, and are told apart
//! by what they are made of.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::check::layer::{Entry, Kind, LayerEntries, SeenLayers};
use crate::failure::{Failure, Stage};
use crate::oci::{Image, Layer, Source, sha256_of_file};
use crate::words::some_of;

/// Differences that are told one by one.
const TOLD: usize = 10;

/// Compares two builds of a flow; what is read of layers is remembered in a folder that goes away.
///
/// # Errors
/// They differ: the layers are named, and the files in them. A layer of the first is not what its digest says.
pub(crate) fn same(flow: &str, first: &Image, second: &Image, scratch: &Path) -> Result<(), Failure> {
    let mut differences = damaged(first);
    if first.digest() != second.digest() {
        differences.extend(between(first, second, scratch));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let text = some_of(&differences, TOLD);
    let outcome = match first.digest() == second.digest() {
        true => format!("both builds of `{flow}` are {}, but", first.digest()),
        false => format!(
            "two builds of `{flow}` differ, the first is {}, the second {}:",
            first.digest(),
            second.digest()
        ),
    };
    Err(Failure::text(
        Stage::Build,
        format!("{outcome} {text}"),
        "run it again when nothing writes to the files; if they did not change, delete target/flowimage: what is \
         remembered there is wrong",
    ))
}

/// The layers whose files are not what their digests say.
fn damaged(image: &Image) -> Vec<String> {
    let layers = image.layers.iter().enumerate();
    let damage = layers.filter_map(|(index, layer)| {
        let Source::File(path) = &layer.source else {
            return None;
        };
        let said = match sha256_of_file(path) {
            Ok(digest) if digest == layer.blob.digest => return None,
            Ok(digest) => format!("has the digest {digest}"),
            Err(error) => format!("cannot be read: {error}"),
        };
        let name = name(image, index);
        Some(format!("{name} lies damaged in {}: it {said}", path.display()))
    });
    damage.collect()
}

fn name(image: &Image, index: usize) -> String {
    format!("layer {} of {}", index + 1, image.layers.len())
}

fn between(first: &Image, second: &Image, scratch: &Path) -> Vec<String> {
    let mut differences = Vec::new();
    if first.layers.len() != second.layers.len() {
        differences.push(format!(
            "the first has {} layers, the second {}",
            first.layers.len(),
            second.layers.len()
        ));
    }
    let seen = SeenLayers::in_folder(scratch.to_owned());
    for (index, (one, other)) in first.layers.iter().zip(&second.layers).enumerate() {
        if one.blob != other.blob {
            let name = name(first, index);
            let files = layers(one, other, &seen).into_iter();
            differences.extend(files.map(|difference| format!("{name}: {difference}")));
        }
    }
    let document = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap_or_default() };
    let mut paths = Vec::new();
    values(
        &document(&first.config),
        &document(&second.config),
        "",
        &mut paths,
    );
    // The layers were named already.
    paths.retain(|path| !path.starts_with("/rootfs/"));
    differences.extend(
        paths
            .into_iter()
            .map(|path| format!("the configuration at {path}")),
    );
    if differences.is_empty() {
        differences.push("the manifest".to_owned());
    }
    differences
}

/// What is different in a layer, file by file.
fn layers(one: &Layer, other: &Layer, seen: &SeenLayers) -> Vec<String> {
    if one.diff_id == other.diff_id {
        return vec!["the same content is compressed otherwise".to_owned()];
    }
    let (one, other) = match (seen.of(one), seen.of(other)) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(error), _) | (_, Err(error)) => return vec![format!("it cannot be read: {error}")],
    };
    let differences = entries(&one, &other);
    match differences.is_empty() {
        true => vec!["its entries stand in another order, or have other times".to_owned()],
        false => differences,
    }
}

fn entries(one: &LayerEntries, other: &LayerEntries) -> Vec<String> {
    let paths: BTreeSet<&String> = one.0.keys().chain(other.0.keys()).collect();
    let difference = |path: &String| {
        let what = match (one.0.get(path), other.0.get(path)) {
            (Some(one), Some(other)) if one == other => return None,
            (Some(one), Some(other)) => changed(one, other),
            (Some(_), None) => "is in the first only".to_owned(),
            (None, _) => "is in the second only".to_owned(),
        };
        Some(format!("/{path} {what}"))
    };
    paths.into_iter().filter_map(difference).collect()
}

fn changed(one: &Entry, other: &Entry) -> String {
    match (&one.kind, &other.kind) {
        (Kind::File(a), Kind::File(b)) if a.digest != b.digest => {
            format!("has other content ({} bytes, then {})", a.size, b.size)
        }
        (a, b) if a != b => "is something else".to_owned(),
        _ if one.mode != other.mode => format!("has mode {:o}, then {:o}", one.mode, other.mode),
        _ => format!(
            "belongs to {}:{}, then {}:{}",
            one.uid, one.gid, other.uid, other.gid
        ),
    }
}

/// The places where two JSON documents differ.
fn values(one: &Value, other: &Value, path: &str, differences: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (one, other) = (a.get(key), b.get(key));
                let missing = Value::Null;
                values(
                    one.unwrap_or(&missing),
                    other.unwrap_or(&missing),
                    &format!("{path}/{key}"),
                    differences,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (one, other)) in a.iter().zip(b).enumerate() {
                values(one, other, &format!("{path}/{index}"), differences);
            }
        }
        _ if one == other => {}
        _ => differences.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerBuilder;
    use crate::layout::Layout;

    fn image(folder: &Path, config: &str, build: impl FnOnce(&mut LayerBuilder)) -> Image {
        let layout = Layout::open(folder.join("layout")).unwrap();
        let mut layer = LayerBuilder::new();
        build(&mut layer);
        let layer = layer.write(&layout, 0).unwrap();
        Image::new(config.as_bytes().to_vec(), vec![layer])
    }

    #[test]
    fn what_differs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let first = image(
            folder.path(),
            r#"{"config":{"Env":["A=1"],"User":"1"}}"#,
            |layer| {
                layer.bytes("/etc/a", "1", 0o644);
                layer.bytes("/etc/b", "1", 0o644);
                layer.bytes("/etc/gone", "1", 0o644);
                layer.bytes("/etc/same", "1", 0o644);
            },
        );
        let second = image(
            folder.path(),
            r#"{"config":{"Env":["A=2"],"User":"1"}}"#,
            |layer| {
                layer.bytes("/etc/a", "22", 0o644);
                layer.bytes("/etc/b", "1", 0o755);
                layer.bytes("/etc/same", "1", 0o644);
            },
        );
        let seen = folder.path().join("seen");
        assert_eq!(same("f", &first, &first, &seen), Ok(()));
        assert_eq!(
            between(&first, &second, &seen),
            [
                "layer 1 of 1: /etc/a has other content (1 bytes, then 2)",
                "layer 1 of 1: /etc/b has mode 644, then 755",
                "layer 1 of 1: /etc/gone is in the first only",
                "the configuration at /config/Env/0",
            ]
        );
        let failure = same("f", &first, &second, &seen).unwrap_err();
        assert!(
            failure.message.contains(second.digest().as_str()),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_blob_that_is_not_what_its_digest_says_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path(), "{}", |layer| layer.bytes("/a", "1", 0o644));
        let Source::File(path) = &image.layers[0].source else {
            panic!("{image:?}");
        };
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
        let failure = same("f", &image, &image, &folder.path().join("seen")).unwrap_err();
        assert!(
            failure.message.contains("layer 1 of 1 lies damaged"),
            "{}",
            failure.message
        );
    }
}
