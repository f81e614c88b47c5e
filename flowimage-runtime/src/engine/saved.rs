//! Reading what `docker save` writes, once and in its order.
//!
//! Three forms: Docker before 25 (`<id>/layer.tar`, symlinks for repeated layers, `<config>.json`), Podman
//! (`<diff id>.tar`) and the OCI layout of Docker since 25 (`blobs/sha256/…`, layers compressed in the
//! containerd image store). None says beforehand which layer a file is, so layers are told by their hash.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::IdScheme;
use crate::oci::{Digest, HashingWriter, Zstd, sha256};

/// Bounds of what is read from an engine.
#[derive(Clone, Copy, Debug)]
pub struct SavedLimits {
    /// Bytes of one unpacked layer.
    pub layer: u64,
    /// Bytes of one document (configuration or manifest).
    pub document: u64,
    /// Bytes of all documents, which are kept in memory.
    pub documents: u64,
}

impl Default for SavedLimits {
    fn default() -> Self {
        Self {
            layer: 32 << 30,
            document: 4 << 20,
            documents: 32 << 20,
        }
    }
}

/// The image that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedImage {
    /// The configuration's exact bytes.
    pub config: Vec<u8>,
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

/// An export that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The stream broke, or is no archive.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// A layer cannot be kept while it is told which it is.
    #[error("cannot keep a layer in {}", folder.display())]
    Spool {
        /// Where it was to be kept.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The caller failed to take a layer.
    #[error("cannot take layer {diff_id}")]
    Take {
        /// The layer.
        diff_id: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something is larger than allowed.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// Which entry.
        what: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// A wanted layer is not in the archive.
    #[error("no content with the digest of layer {diff_id} is in the archive")]
    NoLayer {
        /// The layer.
        diff_id: Digest,
    },
    /// A wanted layer is not one of the image.
    #[error("layer {diff_id} is not part of the image")]
    ForeignLayer {
        /// The layer.
        diff_id: Digest,
    },
    /// The configuration is not in the archive, or not readable.
    #[error("the image's configuration is missing or not valid: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
}

/// Reads the export of image `id` and gives each wanted layer's plain tar to `take`.
///
/// Shape: `take` is called once for each of `wanted`, in the archive's order, after the layer's bytes were
/// found to have that digest; they come from an unnamed temporary file in `spool`.
/// Errors: also when the configuration does not have the digest `id` (or is not the one its manifest names).
pub fn read_saved(
    archive: impl Read,
    (id, scheme): (&Digest, IdScheme),
    wanted: &[Digest],
    limits: &SavedLimits,
    spool: &Path,
    take: &mut dyn FnMut(&Digest, &mut dyn Read) -> io::Result<()>,
) -> Result<ExportedImage, SavedError> {
    let mut missing: Vec<Digest> = wanted.to_vec();
    missing.sort();
    missing.dedup();
    let mut documents = Documents::default();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(SavedError::Read)? {
        let mut entry = entry.map_err(SavedError::Read)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(SavedError::Read)?.display().to_string();
        let mut start = Vec::new();
        entry
            .by_ref()
            .take(4)
            .read_to_end(&mut start)
            .map_err(SavedError::Read)?;
        let is_blob = path.starts_with("blobs/");
        if path.ends_with(".json") || (is_blob && matches!(start.first(), Some(b'{' | b'['))) {
            documents.add(path, start.chain(entry), limits)?;
        } else if (is_blob || path.ends_with(".tar")) && may_be_wanted(&path, &start, &missing) {
            layer(&path, &start, &mut entry, &mut missing, limits, spool, take)?;
        }
        if missing.is_empty() && scheme == IdScheme::Config && documents.with_digest(id).is_some() {
            break;
        }
    }
    let config = documents.config(id, scheme)?.to_vec();
    let diff_ids = diff_ids(&config)?;
    if let Some(foreign) = wanted.iter().find(|wanted| !diff_ids.contains(wanted)) {
        return Err(SavedError::ForeignLayer {
            diff_id: foreign.clone(),
        });
    }
    match missing.pop() {
        Some(diff_id) => Err(SavedError::NoLayer { diff_id }),
        None => Ok(ExportedImage { config, diff_ids }),
    }
}

/// A plain tar in a file named by its digest needs no reading to be passed over; everything else is hashed.
fn may_be_wanted(path: &str, start: &[u8], missing: &[Digest]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".tar");
    let compressed = start.starts_with(&GZIP) || start == ZSTD;
    !missing.is_empty()
        && match format!("sha256:{name}").parse::<Digest>() {
            Ok(digest) if !compressed => missing.contains(&digest),
            _ => true,
        }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn layer(
    path: &str,
    start: &[u8],
    rest: &mut dyn Read,
    missing: &mut Vec<Digest>,
    limits: &SavedLimits,
    spool: &Path,
    take: &mut dyn FnMut(&Digest, &mut dyn Read) -> io::Result<()>,
) -> Result<(), SavedError> {
    let kept = |source| SavedError::Spool {
        folder: spool.to_owned(),
        source,
    };
    let stored = start.chain(rest);
    let mut plain: Box<dyn Read + '_> = if start.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(stored))
    } else if start == ZSTD {
        Box::new(Zstd::new(BufReader::with_capacity(256 << 10, stored)))
    } else {
        Box::new(stored)
    };
    let mut writer = HashingWriter::new(tempfile::tempfile_in(spool).map_err(kept)?);
    let mut buffer = vec![0; 256 << 10];
    let mut length = 0;
    loop {
        let read = plain.read(&mut buffer).map_err(SavedError::Read)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        if length > limits.layer {
            return Err(SavedError::TooLarge {
                what: format!("layer {path}"),
                limit: limits.layer,
            });
        }
        writer.write_all(&buffer[..read]).map_err(kept)?;
    }
    let (mut file, digest, _) = writer.finish();
    if let Some(at) = missing.iter().position(|wanted| *wanted == digest) {
        missing.swap_remove(at);
        file.seek(SeekFrom::Start(0)).map_err(kept)?;
        take(&digest, &mut file).map_err(|source| SavedError::Take {
            diff_id: digest.clone(),
            source,
        })?;
    }
    Ok(())
}

/// The JSON files of an archive, by path.
#[derive(Default)]
struct Documents {
    by_path: BTreeMap<String, Vec<u8>>,
    by_digest: BTreeMap<Digest, String>,
    total: u64,
}

impl Documents {
    fn add(&mut self, path: String, reader: impl Read, limits: &SavedLimits) -> Result<(), SavedError> {
        let mut bytes = Vec::new();
        let limit = limits
            .document
            .min(limits.documents - self.total.min(limits.documents));
        reader
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(SavedError::Read)?;
        if bytes.len() as u64 > limit {
            return Err(SavedError::TooLarge { what: path, limit });
        }
        self.total += bytes.len() as u64;
        self.by_digest.insert(sha256(&bytes), path.clone());
        self.by_path.insert(path, bytes);
        Ok(())
    }

    fn with_digest(&self, digest: &Digest) -> Option<&[u8]> {
        self.by_digest
            .get(digest)
            .and_then(|path| self.by_path.get(path))
            .map(Vec::as_slice)
    }

    /// The configuration, found by digests only, never by what `manifest.json` claims.
    fn config(&self, id: &Digest, scheme: IdScheme) -> Result<&[u8], SavedError> {
        let invalid = |reason: String| SavedError::Config { reason };
        let found = self
            .with_digest(id)
            .ok_or_else(|| invalid(format!("nothing in the archive has the digest {id}")))?;
        if scheme == IdScheme::Config {
            return Ok(found);
        }
        let mut manifest: Value =
            serde_json::from_slice(found).map_err(|error| invalid(error.to_string()))?;
        if let Some(manifests) = manifest.get("manifests").and_then(Value::as_array) {
            // Of an index, only what is exported is there.
            manifest = manifests
                .iter()
                .filter_map(|descriptor| descriptor.get("digest")?.as_str()?.parse::<Digest>().ok())
                .filter_map(|digest| serde_json::from_slice::<Value>(self.with_digest(&digest)?).ok())
                .find(|manifest| {
                    manifest.get("config").is_some() && manifest.get("layers").is_some_and(is_of_an_image)
                })
                .ok_or_else(|| invalid("its index names no manifest that is in the archive".to_owned()))?;
        }
        manifest
            .pointer("/config/digest")
            .and_then(Value::as_str)
            .and_then(|digest| digest.parse::<Digest>().ok())
            .and_then(|digest| self.with_digest(&digest))
            .ok_or_else(|| invalid("its manifest names no configuration that is in the archive".to_owned()))
    }
}

/// BuildKit's attestations sit in an index beside the image, as manifests whose layers are statements.
fn is_of_an_image(layers: &Value) -> bool {
    let layers = layers.as_array().map(Vec::as_slice).unwrap_or_default();
    !layers.iter().any(|layer| {
        let kind = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        kind.starts_with("application/vnd.in-toto")
    })
}

fn diff_ids(config: &[u8]) -> Result<Vec<Digest>, SavedError> {
    let invalid = |reason: String| SavedError::Config { reason };
    let config: Value = serde_json::from_slice(config).map_err(|error| invalid(error.to_string()))?;
    let Some(ids) = config.pointer("/rootfs/diff_ids") else {
        return Ok(Vec::new());
    };
    serde_json::from_value(ids.clone()).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn config(layers: &[&[u8]]) -> Vec<u8> {
        let ids: Vec<Digest> = layers.iter().map(|bytes| sha256(bytes)).collect();
        serde_json::json!({"rootfs": {"type": "layers", "diff_ids": ids}})
            .to_string()
            .into_bytes()
    }

    type Taken = Vec<(Digest, Vec<u8>)>;

    fn read(
        archive: &[u8],
        id: (&Digest, IdScheme),
        wanted: &[&[u8]],
        limits: &SavedLimits,
    ) -> Result<(ExportedImage, Taken), SavedError> {
        let spool = tempfile::tempdir().unwrap();
        let mut taken = Vec::new();
        let wanted: Vec<Digest> = wanted.iter().map(|bytes| sha256(bytes)).collect();
        let image = read_saved(
            archive,
            id,
            &wanted,
            limits,
            spool.path(),
            &mut |digest, reader| {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                taken.push((digest.clone(), bytes));
                Ok(())
            },
        )?;
        Ok((image, taken))
    }

    #[test]
    fn reads_the_old_form_with_layers_before_their_configuration() {
        let (one, two) = (vec![1; 3000], vec![2; 5000]);
        let config = config(&[&one, &two]);
        let id = sha256(&config);
        let archive = tar_of(&[
            ("1234/VERSION", b"1.0"),
            ("1234/json", b"{}"),
            ("1234/layer.tar", &one),
            ("5678/layer.tar", &two),
            (&format!("{}.json", id.hex()), &config),
            ("manifest.json", b"[]"),
        ]);
        let limits = SavedLimits::default();
        let (image, taken) = read(&archive, (&id, IdScheme::Config), &[&two], &limits).unwrap();
        assert_eq!(image.config, config);
        assert_eq!(image.diff_ids, [sha256(&one), sha256(&two)]);
        assert_eq!(taken, [(sha256(&two), two.clone())]);
        let foreign = read(&archive, (&id, IdScheme::Config), &[b"another"], &limits);
        assert!(matches!(foreign, Err(SavedError::ForeignLayer { .. })));
        let cut = read(&archive[..4000], (&id, IdScheme::Config), &[&two], &limits);
        assert!(matches!(cut, Err(SavedError::Read(_))), "{cut:?}");
    }

    #[test]
    fn reads_the_layout_form_with_compressed_layers() {
        let layer = vec![7; 100_000];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&layer).unwrap();
        let zstd = ruzstd::encoding::CompressionLevel::Fastest;
        for stored in [
            encoder.finish().unwrap(),
            ruzstd::encoding::compress_to_vec(&layer[..], zstd),
        ] {
            reads_the_layout_form_with(&layer, &stored);
        }
    }

    fn reads_the_layout_form_with(layer: &[u8], stored: &[u8]) {
        let config = config(&[layer]);
        let manifest = serde_json::json!({"config": {"digest": sha256(&config)}, "layers": []}).to_string();
        let id = sha256(manifest.as_bytes());
        let name = |bytes: &[u8]| format!("blobs/sha256/{}", sha256(bytes).hex());
        let archive = tar_of(&[
            (&name(stored), stored),
            (&name(&config), &config),
            (&name(manifest.as_bytes()), manifest.as_bytes()),
            ("index.json", b"{}"),
        ]);
        let limits = SavedLimits::default();
        let (image, taken) = read(&archive, (&id, IdScheme::Manifest), &[layer], &limits).unwrap();
        assert_eq!(
            (image.config, taken),
            (config, vec![(sha256(layer), layer.to_vec())])
        );

        let small = SavedLimits {
            layer: 99_999,
            ..limits
        };
        let bomb = read(&archive, (&id, IdScheme::Manifest), &[layer], &small);
        assert!(matches!(bomb, Err(SavedError::TooLarge { .. })), "{bomb:?}");
    }

    #[test]
    fn a_changed_layer_or_configuration_is_not_taken() {
        let layer = vec![1; 2000];
        let config = config(&[&layer]);
        let id = sha256(&config);
        let file = format!("{}.json", id.hex());
        let changed = tar_of(&[("1/layer.tar", &[2; 2000]), (&file, &config)]);
        let limits = SavedLimits::default();
        let result = read(&changed, (&id, IdScheme::Config), &[&layer], &limits);
        assert!(matches!(result, Err(SavedError::NoLayer { .. })));

        let mut other = config.clone();
        other.push(b' ');
        let changed = tar_of(&[("1/layer.tar", &layer), (&file, &other)]);
        let result = read(&changed, (&id, IdScheme::Config), &[&layer], &limits);
        assert!(matches!(result, Err(SavedError::Config { .. })));
    }
}
