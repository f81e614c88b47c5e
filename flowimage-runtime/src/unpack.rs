//! An image's root file system in a folder, for the sandbox and for probes that read files.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::oci::Image;

/// Unpacks the layers of an image, lowest first. Entries that would leave the folder are refused by the archive
/// reader, device nodes are left out.
///
/// # Errors
/// A layer is not a file here, is damaged, or is compressed in a way that is not known.
pub fn unpack(image: &Image, folder: &Path) -> io::Result<()> {
    for layer in &image.layers {
        extract(layer.open()?, folder)?;
    }
    Ok(())
}

fn extract(tar: impl Read, folder: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(false);
    archive.set_overwrite(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if let Some(hidden) = name.strip_prefix(".wh.") {
            whiteout(folder, &path, hidden)?;
            continue;
        }
        let kind = entry.header().entry_type();
        if kind.is_hard_link() && entry.link_name()?.is_some_and(|target| *target != *path) {
            // The reader overwrites files and links, but not with a hard link.
            if let Some(place) = place(folder, &path).filter(|place| !place.is_dir()) {
                gone(&place)?;
            }
        }
        if kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link() {
            entry.unpack_in(folder)?;
        }
    }
    Ok(())
}

/// Where a path of the image lies in the folder. Nothing is followed: a link on the way is not a folder.
fn place(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    for part in path.parent()?.components() {
        match part {
            Component::CurDir => continue,
            Component::Normal(part) => place.push(part),
            _ => return None,
        }
        if !place.symlink_metadata().is_ok_and(|it| it.is_dir()) {
            return None;
        }
    }
    Some(place.join(path.file_name()?))
}

fn gone(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Removes what a layer hides of the layers below.
fn whiteout(folder: &Path, path: &Path, hidden: &str) -> io::Result<()> {
    let Some(mark) = place(folder, path) else {
        return Ok(());
    };
    if matches!(hidden, "" | "." | "..") {
        return Err(io::Error::other(format!("{} hides no file", path.display())));
    }
    if hidden != ".wh..opq" {
        return gone(&mark.with_file_name(hidden));
    }
    for entry in std::fs::read_dir(mark.parent().unwrap_or(folder))? {
        gone(&entry?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerBuilder;
    use crate::layout::Layout;
    use crate::oci::{Descriptor, Layer, Source, media_type, sha256};

    #[test]
    fn later_layers_hide_earlier_ones() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let mut lower = LayerBuilder::new();
        lower.bytes("/a/one", "1", 0o644);
        lower.bytes("/a/two", "2", 0o644);
        lower.bytes("/b/three", "3", 0o644);
        let mut upper = LayerBuilder::new();
        upper.bytes("/a/.wh.one", "", 0o644);
        upper.bytes("/b/.wh..wh..opq", "", 0o644);
        let layers = [lower, upper].map(|it| it.write(&layout, 0).unwrap());
        let image = Image::new(b"{}".to_vec(), layers.into());
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        unpack(&image, &root).unwrap();
        assert!(!root.join("a/one").exists() && root.join("a/two").exists());
        assert!(root.join("b").is_dir() && !root.join("b/three").exists());
    }

    /// What an upgrade of Debian's `perl-base` leaves: both names again, the second as a link to the first.
    #[test]
    fn a_hard_link_replaces_what_a_layer_below_has_there() {
        let folder = tempfile::tempdir().unwrap();
        let layers: Vec<Layer> = ["old", "new"]
            .map(|content| {
                let mut tar = tar::Builder::new(Vec::new());
                let mut header = tar::Header::new_ustar();
                header.set_mode(0o644);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, "bin/perl", content.as_bytes())
                    .unwrap();
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Link);
                tar.append_link(&mut header, "bin/perl5", "bin/perl").unwrap();
                let bytes = tar.into_inner().unwrap();
                let path = folder.path().join(content);
                std::fs::write(&path, &bytes).unwrap();
                Layer {
                    blob: Descriptor::of(media_type::LAYER_TAR, &bytes),
                    diff_id: sha256(&bytes),
                    source: Source::File(path),
                }
            })
            .into();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        unpack(&Image::new(b"{}".to_vec(), layers), &root).unwrap();
        assert_eq!(std::fs::read(root.join("bin/perl5")).unwrap(), b"new");
    }

    #[test]
    fn nothing_is_removed_outside() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        for name in ["/.wh...", "/.wh..", "/.wh."] {
            let mut layer = LayerBuilder::new();
            layer.bytes(name, "", 0o644);
            let image = Image::new(b"{}".to_vec(), vec![layer.write(&layout, 0).unwrap()]);
            assert!(unpack(&image, &root).is_err(), "{name}");
            assert!(root.exists());
        }
    }

    #[test]
    fn nothing_is_written_outside() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let mut link = LayerBuilder::new();
        link.add(
            "/out",
            crate::layer::Entry {
                content: crate::layer::Content::Link("..".to_owned()),
                mode: 0o777,
                owner: 0,
            },
        );
        let mut through = LayerBuilder::new();
        through.bytes("/out/planted", "x", 0o644);
        let layers = [link, through].map(|it| it.write(&layout, 0).unwrap());
        let image = Image::new(b"{}".to_vec(), layers.into());
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let _ = unpack(&image, &root);
        assert!(!folder.path().join("planted").exists());
    }
}
