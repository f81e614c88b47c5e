//! An image's root file system as its layers make it, without unpacking anything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::layer::{Entry, FileContent, Kind, LayerEntries, SHLIBS};
use crate::elf::{Elf, RootFiles, package_in};

/// The merged entries of all layers, and the layers.
#[derive(Debug, Default)]
pub(crate) struct ImageRoot {
    entries: BTreeMap<String, Entry>,
    layers: Vec<Arc<LayerEntries>>,
    /// Folders that the image's environment has the loader search.
    library_path: Vec<String>,
}

impl ImageRoot {
    /// Lays layers over each other, lowest first.
    pub(crate) fn new(layers: Vec<Arc<LayerEntries>>) -> Self {
        let mut entries = BTreeMap::new();
        for layer in &layers {
            for (path, entry) in &layer.0 {
                match entry.kind {
                    Kind::Whiteout => {
                        entries.remove(path);
                        hide_below(&mut entries, path);
                    }
                    Kind::Opaque => hide_below(&mut entries, path),
                    _ => {}
                }
            }
            for (path, entry) in &layer.0 {
                let kind = match &entry.kind {
                    Kind::Whiteout | Kind::HardLink(_) => continue,
                    Kind::Opaque => Kind::Folder,
                    // A file in place of a folder hides what was in it.
                    Kind::Folder => Kind::Folder,
                    other => {
                        hide_below(&mut entries, path);
                        other.clone()
                    }
                };
                entries.insert(
                    path.clone(),
                    Entry {
                        kind,
                        ..entry.clone()
                    },
                );
            }
            // A second name is the file of now, whatever a later layer puts in the place of the first.
            for (path, entry) in &layer.0 {
                let Kind::HardLink(target) = &entry.kind else {
                    continue;
                };
                hide_below(&mut entries, path);
                match entries.get(first_name(target, layer)).cloned() {
                    Some(file) => entries.insert(path.clone(), file),
                    None => entries.remove(path),
                };
            }
        }
        Self {
            entries,
            layers,
            library_path: Vec::new(),
        }
    }

    /// With the folders of `LD_LIBRARY_PATH`.
    pub(crate) fn searching(mut self, library_path: Option<&str>) -> Self {
        let folders = library_path.unwrap_or_default().split([':', ';']);
        self.library_path = folders
            .filter(|folder| folder.starts_with('/'))
            .map(str::to_owned)
            .collect();
        self
    }

    /// The entry at an absolute path, links followed inside the root, and the path it was found at.
    pub(crate) fn find(&self, path: &str) -> Option<(String, &Entry)> {
        let mut pending: VecDeque<String> = parts(path).collect();
        let mut found: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = pending.pop_front() {
            if part == ".." {
                found.pop();
                continue;
            }
            found.push(part);
            let here = found.join("/");
            let Some(entry) = self.entries.get(&here) else {
                // A layer may leave out the folders above its entries.
                if self.has_below(&here) && !pending.is_empty() {
                    continue;
                }
                return None;
            };
            if let Kind::Link(target) = &entry.kind {
                links += 1;
                if links > 40 {
                    return None;
                }
                found.pop();
                if target.starts_with('/') {
                    found.clear();
                }
                for part in parts(target).collect::<Vec<_>>().into_iter().rev() {
                    pending.push_front(part);
                }
            }
        }
        let path = found.join("/");
        let entry = self.entries.get(&path)?;
        Some((format!("/{path}"), entry))
    }

    /// The entry at exactly this absolute path; no link is followed.
    pub(crate) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path.trim_start_matches('/'))
    }

    /// The file at an absolute path.
    pub(crate) fn file(&self, path: &str) -> Option<&FileContent> {
        match &self.find(path)?.1.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }

    /// The path itself with the folders above it, links on the way followed; nothing where one is missing.
    pub(crate) fn way_to(&self, path: &str) -> Vec<(String, &Entry)> {
        let Some((path, entry)) = self.find(path) else {
            return Vec::new();
        };
        let mut way: Vec<_> = path
            .match_indices('/')
            .skip(1)
            .filter_map(|(end, _)| {
                let folder = &path[1..end];
                Some((format!("/{folder}"), self.entries.get(folder)?))
            })
            .collect();
        way.push((path, entry));
        way
    }

    /// The package that has a library by the image's dpkg.
    pub(crate) fn shlibs(&self, library: &str) -> Option<String> {
        let texts = self.entries.range(SHLIBS.to_owned()..);
        texts
            .take_while(|(path, _)| path.starts_with(SHLIBS))
            .filter(|(path, _)| path.ends_with(".shlibs"))
            .find_map(|(_, entry)| match &entry.kind {
                Kind::File(content) => package_in(content.text.as_deref()?, library),
                _ => None,
            })
    }

    /// All entries, by path relative to the root.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// What a path was in each layer that has it, lowest first.
    pub(crate) fn history<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Entry> {
        let path = path.trim_start_matches('/');
        self.layers.iter().filter_map(move |layer| layer.0.get(path))
    }

    fn has_below(&self, folder: &str) -> bool {
        let start = format!("{folder}/");
        self.entries
            .range(start.clone()..)
            .next()
            .is_some_and(|(path, _)| path.starts_with(&start))
    }
}

impl RootFiles for ImageRoot {
    fn elf(&self, path: &str) -> Option<Elf> {
        self.file(path)?.elf.as_deref().cloned()
    }

    fn exists(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn text(&self, path: &str) -> Option<String> {
        self.file(path)?.text.clone()
    }

    fn library_path(&self) -> &[String] {
        &self.library_path
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Some((folder, _)) = self.find(folder) else {
            return Vec::new();
        };
        let start = format!("{}/", &folder[1..]);
        self.entries
            .range(start.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&start))
            .filter(|rest| !rest.contains('/'))
            .map(str::to_owned)
            .collect()
    }
}

/// The name that is no second name itself: links of one layer may name each other.
fn first_name<'a>(mut target: &'a str, layer: &'a LayerEntries) -> &'a str {
    for _ in 0..40 {
        match layer.0.get(target).map(|entry| &entry.kind) {
            Some(Kind::HardLink(next)) => target = next,
            _ => break,
        }
    }
    target
}

fn hide_below(entries: &mut BTreeMap<String, Entry>, folder: &str) {
    let start = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let hidden: Vec<String> = entries
        .range(start.clone()..)
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(&start))
        .cloned()
        .collect();
    for path in hidden {
        entries.remove(&path);
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(entries: &[(&str, Kind)]) -> Arc<LayerEntries> {
        let entries = entries.iter().map(|(path, kind)| {
            let entry = Entry {
                kind: kind.clone(),
                mode: 0o755,
                uid: 0,
                gid: 0,
            };
            ((*path).to_owned(), entry)
        });
        Arc::new(LayerEntries(entries.collect()))
    }

    fn file(text: &str) -> Kind {
        Kind::File(FileContent {
            size: text.len() as u64,
            digest: crate::oci::sha256(text.as_bytes()),
            elf: None,
            code: None,
            text: Some(text.to_owned()),
        })
    }

    #[test]
    fn the_images_own_dpkg_says_which_package_has_a_library() {
        let root = ImageRoot::new(vec![layer(&[
            ("var/lib/dpkg/info/odd:amd64.list", file("libodd 7 list")),
            (
                "var/lib/dpkg/info/odd:amd64.shlibs",
                file("libodd 7 odd-name (>= 1.2)\n"),
            ),
            ("var/lib/dpkg/status", file("libodd 8 status")),
        ])]);
        assert_eq!(root.shlibs("libodd.so.7").as_deref(), Some("odd-name"));
        assert_eq!(root.shlibs("libodd.so.8"), None);
    }

    #[test]
    fn later_layers_hide_earlier_ones_and_links_stay_inside() {
        let root = ImageRoot::new(vec![
            layer(&[
                ("a", Kind::Folder),
                ("a/one", file("1")),
                ("a/two", file("2")),
                ("b", Kind::Folder),
                ("b/three", file("3")),
                ("out", Kind::Link("../../a".to_owned())),
                ("loop", Kind::Link("loop".to_owned())),
                ("again", Kind::HardLink("a/two".to_owned())),
                ("and-again", Kind::HardLink("again".to_owned())),
                ("dangling", Kind::HardLink("dangling".to_owned())),
            ]),
            layer(&[
                ("a/one", Kind::Whiteout),
                ("b", Kind::Opaque),
                ("b/four", file("4")),
                ("a/two", file("new")),
            ]),
        ]);
        assert_eq!(root.text("/a/one"), None);
        assert_eq!(root.text("/out/../out/two").as_deref(), Some("new"));
        assert_eq!(root.text("/again").as_deref(), Some("2"));
        assert_eq!(root.text("/and-again").as_deref(), Some("2"));
        assert!(root.find("/dangling").is_none());
        assert_eq!(root.names("/b"), ["four"]);
        assert!(root.find("/loop").is_none() && root.find("/a/two/below").is_none());
        assert_eq!(root.history("/a/two").count(), 2);
        let way: Vec<_> = root
            .way_to("/out/two")
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(way, ["/a", "/a/two"]);
    }
}
