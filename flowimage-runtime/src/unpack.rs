//! An image's root file system in a folder, for the sandbox and for probes that read files.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::oci::{Image, Source, media_type};

/// Unpacks the layers of an image, lowest first. Entries that would leave the folder are refused by the archive
/// reader, device nodes are left out.
///
/// # Errors
/// A layer is not a file here, is damaged, or is compressed in a way that is not known.
pub fn unpack(image: &Image, folder: &Path) -> io::Result<()> {
    for layer in &image.layers {
        let Source::File(path) = &layer.source else {
            return Err(io::Error::other("a layer of the image is only in a registry"));
        };
        let file = BufReader::new(File::open(path)?);
        match layer.blob.media_type.as_str() {
            media_type::LAYER_TAR => extract(file, folder)?,
            media_type::LAYER_GZIP | media_type::DOCKER_LAYER_GZIP => {
                extract(flate2::bufread::MultiGzDecoder::new(file), folder)?;
            }
            other => return Err(io::Error::other(format!("layers of type {other} are not read"))),
        }
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
        if kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link() {
            entry.unpack_in(folder)?;
        }
    }
    Ok(())
}

/// Removes what a layer hides of the layers below. Nothing is followed: a link on the way is not a folder.
fn whiteout(folder: &Path, path: &Path, hidden: &str) -> io::Result<()> {
    let mut parent = folder.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        let std::path::Component::Normal(part) = part else {
            return Ok(());
        };
        parent.push(part);
        if !parent.symlink_metadata().is_ok_and(|it| it.is_dir()) {
            return Ok(());
        }
    }
    let gone = |path: &Path| match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
    if hidden == ".wh..opq" {
        for entry in std::fs::read_dir(&parent)? {
            gone(&entry?.path())?;
        }
        return Ok(());
    }
    gone(&parent.join(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerBuilder;
    use crate::layout::Layout;

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
