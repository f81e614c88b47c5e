//! The archive in which an image goes into an engine.
//!
//! One tar that is a Docker archive (`manifest.json`) and, when it is whole, an OCI layout at the same time:
//! Docker before 25 reads only the first, the containerd image store prefers the second, and Podman takes both.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::oci::{Digest, Image, Index, Source, media_type};

/// Which layers' bytes go into the archive. All layers are named in it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveLayers {
    /// All.
    All,
    /// All but this many of the lowest, which the engine has. Such an archive is no OCI layout.
    Above(usize),
    /// The same, and those are unpacked that say how long they are then: for an engine on this machine, which would take
    /// longer to unpack them than to be given more bytes.
    PlainAbove(usize),
}

impl ArchiveLayers {
    /// How many of the lowest layers are left out.
    pub fn left_out(self) -> usize {
        match self {
            ArchiveLayers::All => 0,
            ArchiveLayers::Above(count) | ArchiveLayers::PlainAbove(count) => count,
        }
    }
}

/// An archive that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A layer is not on this machine.
    #[error("layer {diff_id} is not on this machine")]
    NotHere {
        /// The layer.
        diff_id: Digest,
    },
    /// A layer's file cannot be read.
    #[error("cannot read layer file {}", path.display())]
    Layer {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A layer's file is not as long as the manifest says.
    #[error("layer file {} has not the {expected} bytes that the manifest says", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// As the manifest says.
        expected: u64,
    },
    /// The reader of the archive went away, or the disk is full.
    #[error("cannot write the archive")]
    Write(#[from] io::Error),
}

/// Writes the archive of an image, with the name `repository:tag` if there is one.
///
/// Shape: layers stay as they are stored, compressed or not, unless [`ArchiveLayers::PlainAbove`] says otherwise; engines
/// unpack gzip themselves. Deterministic: the same image gives the same bytes.
/// Source: <https://github.com/moby/docker-image-spec/blob/main/v1.3.md> and the OCI image layout.
pub fn write_archive(
    image: &Image,
    layers: ArchiveLayers,
    name: Option<&str>,
    out: impl Write,
) -> Result<(), ArchiveError> {
    let mut archive = tar::Builder::new(out);
    let mut given = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        let plain = match (layers, &layer.source) {
            (ArchiveLayers::PlainAbove(count), Source::File(path)) if at >= count => {
                layer.plain_length().map_err(unreadable(path))?
            }
            _ => None,
        };
        let digest = match plain {
            Some(_) => &layer.diff_id,
            None => &layer.blob.digest,
        };
        given.push((layer, plain, blob_path(digest)));
    }
    let docker_manifest = json!([{
        "Config": blob_path(&image.id()),
        "RepoTags": name.map(|name| vec![name]),
        "Layers": given.iter().map(|(_, _, path)| path).collect::<Vec<_>>(),
    }]);
    append(
        &mut archive,
        "manifest.json",
        docker_manifest.to_string().as_bytes(),
    )?;
    append(&mut archive, &blob_path(&image.id()), &image.config)?;
    if layers == ArchiveLayers::All {
        append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut archive, "index.json", &index(image, name))?;
        append(&mut archive, &blob_path(&image.digest()), &image.manifest)?;
    }
    let mut written = BTreeSet::new();
    for (layer, plain, name) in given.into_iter().skip(layers.left_out()) {
        if !written.insert(&layer.blob.digest) {
            continue;
        }
        let Source::File(path) = &layer.source else {
            return Err(ArchiveError::NotHere {
                diff_id: layer.diff_id.clone(),
            });
        };
        let file = File::open(path).map_err(unreadable(path))?;
        if file.metadata().map_err(unreadable(path))?.len() != layer.blob.size {
            return Err(ArchiveError::Length {
                path: path.clone(),
                expected: layer.blob.size,
            });
        }
        match plain {
            // The engine holds it against its digest.
            Some(length) => {
                let content = layer.open_to_verify().map_err(unreadable(path))?;
                archive.append_data(&mut header(length), name, content.take(length))?;
            }
            None => archive.append_data(&mut header(layer.blob.size), name, file.take(layer.blob.size))?,
        }
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError + use<> {
    let path = path.to_owned();
    move |source| ArchiveError::Layer { path, source }
}

fn index(image: &Image, name: Option<&str>) -> Vec<u8> {
    let mut manifest = image.descriptor();
    if let Some(name) = name {
        // The first is what containerd names the image by, the second is the OCI layout's own.
        manifest
            .annotations
            .insert("io.containerd.image.name".to_owned(), name.to_owned());
        manifest
            .annotations
            .insert("org.opencontainers.image.ref.name".to_owned(), name.to_owned());
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type::INDEX.to_owned()),
        manifests: vec![manifest],
        annotations: Default::default(),
    };
    serde_json::to_vec(&index).unwrap_or_default()
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header(bytes.len() as u64), path, bytes)
}

/// A plain file that belongs to nobody, at no time.
fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Descriptor, Layer, sha256};

    fn image(directory: &std::path::Path, contents: &[&[u8]]) -> Image {
        let layers = contents.iter().map(|bytes| {
            let path = directory.join(sha256(bytes).hex());
            std::fs::write(&path, bytes).unwrap();
            Layer {
                blob: Descriptor::of(media_type::LAYER_TAR, bytes),
                diff_id: sha256(bytes),
                source: Source::File(path),
            }
        });
        Image::new(b"{\"os\":\"linux\"}".to_vec(), layers.collect())
    }

    fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    #[test]
    fn whole_archive_is_both_forms_and_the_same_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let image = image(directory.path(), &[b"one", b"two", b"one"]);
        let mut bytes = Vec::new();
        write_archive(&image, ArchiveLayers::All, Some("a/b:c"), &mut bytes).unwrap();
        let mut again = Vec::new();
        write_archive(&image, ArchiveLayers::All, Some("a/b:c"), &mut again).unwrap();
        assert_eq!(bytes, again);

        let entries = entries(&bytes);
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        let blob = |bytes: &[u8]| blob_path(&sha256(bytes));
        assert_eq!(
            names,
            [
                "manifest.json",
                &blob_path(&image.id()),
                "oci-layout",
                "index.json",
                &blob_path(&image.digest()),
                &blob(b"one"),
                &blob(b"two"),
            ],
            "a layer that is there twice is sent once"
        );
        let manifest: serde_json::Value = serde_json::from_slice(&entries[0].1).unwrap();
        assert_eq!(
            manifest,
            json!([{
                "Config": blob_path(&image.id()),
                "RepoTags": ["a/b:c"],
                "Layers": [blob(b"one"), blob(b"two"), blob(b"one")],
            }])
        );
        for (name, bytes) in &entries {
            if let Some(hex) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(sha256(bytes).hex(), hex);
            }
        }
    }

    #[test]
    fn partial_archive_names_all_layers_and_holds_the_upper() {
        let directory = tempfile::tempdir().unwrap();
        let mut image = image(directory.path(), &[b"base", b"top"]);
        image.layers[0].source = Source::Repository("registry/base".into());
        let mut bytes = Vec::new();
        write_archive(&image, ArchiveLayers::Above(1), None, &mut bytes).unwrap();
        let entries = entries(&bytes);
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "manifest.json",
                &blob_path(&image.id()),
                &blob_path(&sha256(b"top"))
            ]
        );
        assert!(String::from_utf8_lossy(&entries[0].1).contains(sha256(b"base").hex()));
        assert!(matches!(
            write_archive(&image, ArchiveLayers::All, None, io::sink()),
            Err(ArchiveError::NotHere { .. })
        ));
    }

    #[test]
    fn layers_that_say_how_long_they_are_go_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let mut image = image(directory.path(), &[b"base", b"top"]);
        let text = b"a tar archive, as far as anybody here knows".repeat(100);
        let mut packed = crate::gzip::GzipWriter::new(Vec::new());
        packed.write_all(&text).unwrap();
        let packed = packed.finish().unwrap();
        let path = directory.path().join("packed");
        std::fs::write(&path, &packed).unwrap();
        image.layers.push(Layer {
            blob: Descriptor::of(media_type::LAYER_GZIP, &packed),
            diff_id: sha256(&text),
            source: Source::File(path),
        });
        let mut bytes = Vec::new();
        write_archive(&image, ArchiveLayers::PlainAbove(1), None, &mut bytes).unwrap();
        let entries = entries(&bytes);
        let layers = entries[2..]
            .iter()
            .map(|(name, bytes)| (name.as_str(), &bytes[..]));
        let expected = [&b"top"[..], &text].map(|bytes| (blob_path(&sha256(bytes)), bytes));
        assert!(layers.eq(expected.iter().map(|(name, bytes)| (name.as_str(), *bytes))));
        assert!(String::from_utf8_lossy(&entries[0].1).contains(sha256(&text).hex()));
    }

    #[test]
    fn a_layer_file_of_another_length_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let image = image(directory.path(), &[b"layer"]);
        std::fs::write(directory.path().join(sha256(b"layer").hex()), b"layers").unwrap();
        assert!(matches!(
            write_archive(&image, ArchiveLayers::All, None, io::sink()),
            Err(ArchiveError::Length { expected: 5, .. })
        ));
    }
}
