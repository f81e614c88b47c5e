//! Single files of an image, read from its layers without unpacking them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::oci::Image;

/// The largest file that is read.
const LIMIT: u64 = 1 << 20;

/// The files at these paths (without a leading `/`), as the uppermost layers have them; left out where there is none,
/// or none that is a file of at most 1 MiB.
pub(super) fn read(image: &Image, paths: &[&str]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut wanted: Vec<&str> = paths.to_vec();
    let mut found = BTreeMap::new();
    for layer in image.layers.iter().rev() {
        if wanted.is_empty() {
            break;
        }
        let mut hidden = Vec::new();
        let mut archive = tar::Archive::new(layer.open()?);
        for entry in archive.entries()? {
            let entry = entry?;
            let path = entry.path()?.to_string_lossy().into_owned();
            let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
            if let Some(of) = whiteout(&path) {
                hidden.extend(wanted.iter().copied().filter(|wanted| of.hides(wanted)));
            } else if wanted.contains(&path.as_str()) {
                hidden.extend(wanted.iter().copied().filter(|wanted| *wanted == path));
                if entry.header().entry_type().is_file() && entry.size() <= LIMIT {
                    let mut bytes = Vec::new();
                    entry.take(LIMIT).read_to_end(&mut bytes)?;
                    found.insert(path, bytes);
                }
            }
        }
        // What this layer has or hides, no lower one is asked for.
        wanted.retain(|it| !hidden.contains(it));
    }
    Ok(found)
}

/// What an entry hides of the layers below.
enum Whiteout {
    /// One path, and what lies below.
    Of(String),
    /// All that lies in a folder.
    Below(String),
}

impl Whiteout {
    fn hides(&self, path: &str) -> bool {
        let below = |folder: &str| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        match self {
            Whiteout::Of(hidden) => path == hidden || below(hidden),
            Whiteout::Below(folder) => folder.is_empty() || below(folder),
        }
    }
}

fn whiteout(path: &str) -> Option<Whiteout> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let hidden = name.strip_prefix(".wh.")?;
    if hidden == ".wh..opq" {
        return Some(Whiteout::Below(folder.to_owned()));
    }
    Some(Whiteout::Of(match folder {
        "" => hidden.to_owned(),
        folder => format!("{folder}/{hidden}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerBuilder;
    use crate::layout::Layout;

    #[test]
    fn the_uppermost_layer_decides() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let layer = |files: &[(&str, &str)]| {
            let mut layer = LayerBuilder::new();
            for (path, text) in files {
                layer.bytes(path, *text, 0o644);
            }
            layer.write(&layout, 0).unwrap()
        };
        let layers = vec![
            layer(&[
                ("/etc/passwd", "old"),
                ("/etc/group", "g"),
                ("/a/b", "b"),
                ("/c/d", "d"),
            ]),
            layer(&[("/etc/passwd", "new"), ("/.wh.a", ""), ("/c/.wh..wh..opq", "")]),
        ];
        let image = Image::new(b"{}".to_vec(), layers);
        let found = read(&image, &["etc/passwd", "etc/group", "a/b", "c/d", "none"]).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(path, text)| (path.as_str(), &text[..]))
            .collect();
        assert_eq!(found, [("etc/group", &b"g"[..]), ("etc/passwd", b"new")]);
    }
}
