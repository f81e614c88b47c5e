//! What one layer of an image holds, read once and remembered by its content: names, modes, owners, hashes, and of
//! programs and a few small texts what the probes ask for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::elf::{Elf, code_digest};
use crate::oci::{Digest, Hasher, HashingReader, Layer};
use crate::whole;

/// Part of the names of remembered layers; another number makes all be read again.
const VERSION: u32 = 3;

/// Where dpkg keeps which package has which library.
pub(super) const SHLIBS: &str = "var/lib/dpkg/info/";

/// Bytes of a text that is kept.
const TEXT: u64 = 1 << 20;

/// Bytes of a program that is read in memory; larger ones go through a file.
const IN_MEMORY: u64 = 64 << 20;

/// The entries of a layer, by path relative to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerEntries(pub(crate) BTreeMap<String, Entry>);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Permission bits with set-user, set-group and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Folder,
    File(FileContent),
    /// A symbolic link and its target.
    Link(String),
    /// A second name of the file at this path.
    HardLink(String),
    /// A device, pipe or socket.
    Special,
    /// Hides what the layers below have at this path.
    Whiteout,
    /// Hides what the layers below have in this folder.
    Opaque,
}

/// What is kept of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileContent {
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) elf: Option<Box<Elf>>,
    /// Of a program: the digest of its code and constants, which no stripping changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Digest>,
    /// The whole text of a file that probes ask for, or the first line of a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

/// Where is remembered what layers hold.
#[derive(Clone, Debug)]
pub(crate) struct SeenLayers {
    folder: PathBuf,
}

impl SeenLayers {
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is remembered of a layer.
    pub(crate) fn find(&self, diff_id: &Digest) -> Option<LayerEntries> {
        serde_json::from_slice(&fs::read(self.path(diff_id)).ok()?).ok()
    }

    /// Reads a layer's plain tar, and remembers it if its hash is the one it goes by.
    pub(crate) fn read(&self, diff_id: &Digest, tar: impl Read) -> io::Result<LayerEntries> {
        let mut hashed = HashingReader::new(tar);
        let entries = read(&mut hashed)?;
        // What pads the archive belongs to its hash too.
        io::copy(&mut hashed, &mut io::sink())?;
        let (_, digest, _) = hashed.finish();
        if digest != *diff_id {
            return Err(io::Error::other(format!(
                "the layer {diff_id} has the digest {digest}"
            )));
        }
        // Remembering saves time; where it fails, the next command reads the layer again.
        let _ = serde_json::to_vec(&entries)
            .map_err(io::Error::from)
            .and_then(|bytes| whole::write(&self.path(diff_id), &bytes));
        Ok(entries)
    }

    /// What a layer of this machine holds: remembered, or read now.
    pub(crate) fn of(&self, layer: &Layer) -> io::Result<LayerEntries> {
        if let Some(known) = self.find(&layer.diff_id) {
            return Ok(known);
        }
        self.read(&layer.diff_id, layer.open_to_verify()?)
    }

    fn path(&self, diff_id: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{VERSION}.json", diff_id.hex()))
    }
}

fn read(tar: &mut impl Read) -> io::Result<LayerEntries> {
    let mut archive = tar::Archive::new(tar);
    let mut entries = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(path) = relative(&entry.path()?) else {
            continue;
        };
        let header = entry.header();
        let (mode, uid, gid) = (header.mode()? & 0o7777, header.uid()?, header.gid()?);
        let kind = header.entry_type();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let (path, kind) = if name == ".wh..wh..opq" {
            (folder.to_owned(), Kind::Opaque)
        } else if let Some(hidden) = name.strip_prefix(".wh.") {
            let slash = if folder.is_empty() { "" } else { "/" };
            (format!("{folder}{slash}{hidden}"), Kind::Whiteout)
        } else if kind.is_dir() {
            (path, Kind::Folder)
        } else if kind.is_symlink() {
            let target = entry.link_name()?.unwrap_or_default();
            (path, Kind::Link(target.to_string_lossy().into_owned()))
        } else if kind.is_hard_link() {
            let target = entry.link_name()?.and_then(|target| relative(&target));
            (path, Kind::HardLink(target.unwrap_or_default()))
        } else if kind.is_file() {
            let content = content(&path, mode, entry.size(), &mut entry)?;
            (path, Kind::File(content))
        } else {
            (path, Kind::Special)
        };
        let entry = Entry { kind, mode, uid, gid };
        let entry = match entries.remove(&path) {
            // The folder's own entry says whose it is, its marker that it hides what is below: in either order.
            Some(known) => opaque_folder(known, entry),
            None => entry,
        };
        entries.insert(path, entry);
    }
    Ok(LayerEntries(entries))
}

/// Of two entries for one path: the later one, but of a folder and its marker both.
fn opaque_folder(known: Entry, new: Entry) -> Entry {
    let folder = match (&known.kind, &new.kind) {
        (Kind::Opaque, Kind::Folder) => new,
        (Kind::Folder, Kind::Opaque) => known,
        _ => return new,
    };
    Entry {
        kind: Kind::Opaque,
        ..folder
    }
}

/// A path below the root without `.`; nothing where it climbs out.
fn relative(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => return None,
            _ => {}
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn content(path: &str, mode: u32, size: u64, reader: &mut impl Read) -> io::Result<FileContent> {
    let mut start = Vec::new();
    reader.take(4).read_to_end(&mut start)?;
    if start == b"\x7fELF" {
        return program(start, size, reader);
    }
    let mut text = None;
    let digest = if is_asked_for(path) && size <= TEXT {
        reader.read_to_end(&mut start)?;
        text = Some(String::from_utf8_lossy(&start).into_owned());
        crate::oci::sha256(&start)
    } else {
        if start.starts_with(b"#!") && mode & 0o111 != 0 {
            reader.take(252).read_to_end(&mut start)?;
            let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
            text = Some(String::from_utf8_lossy(line).into_owned());
        }
        let mut hasher = Hasher::new();
        hasher.update(&start);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => break hasher.finish().0,
                read => hasher.update(&buffer[..read]),
            }
        }
    };
    Ok(FileContent {
        size,
        digest,
        elf: None,
        code: None,
        text,
    })
}

fn program(start: Vec<u8>, size: u64, reader: &mut impl Read) -> io::Result<FileContent> {
    let mut reader = HashingReader::new(start.chain(reader));
    let (elf, code);
    if size <= IN_MEMORY {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        reader.read_to_end(&mut bytes)?;
        elf = Elf::parse(&bytes[..]).ok().map(Box::new);
        code = elf
            .as_ref()
            .filter(|elf| elf.executable)
            .and_then(|_| code_digest(&bytes[..]));
    } else {
        let mut file = tempfile::NamedTempFile::new()?;
        io::copy(&mut reader, &mut file)?;
        elf = Elf::read(file.path()).ok().map(Box::new);
        let cache = object::read::ReadCache::new(file.reopen()?);
        code = elf
            .as_ref()
            .filter(|elf| elf.executable)
            .and_then(|_| code_digest(&cache));
    }
    let (_, digest, _) = reader.finish();
    Ok(FileContent {
        size,
        digest,
        elf,
        code,
        text: None,
    })
}

/// The few texts that probes read.
fn is_asked_for(path: &str) -> bool {
    matches!(
        path,
        "etc/passwd" | "etc/group" | "etc/os-release" | "usr/lib/os-release" | "etc/ld.so.conf"
    ) || path.starts_with("etc/ld.so.conf.d/")
        || path.starts_with("etc/ld-musl-")
        || path
            .strip_prefix(SHLIBS)
            .is_some_and(|name| name.ends_with(".shlibs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerBuilder;
    use crate::layout::Layout;

    #[test]
    fn a_layer_is_remembered_by_its_content_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("layout")).unwrap();
        let mut builder = LayerBuilder::new();
        builder.bytes("/etc/passwd", "root:x:0:0::/:\n", 0o600);
        builder.bytes("/bin/script", "#!/bin/sh -e\necho\n", 0o755);
        builder
            .host("/bin/program", &std::env::current_exe().unwrap())
            .unwrap();
        let layer = builder.write(&layout, 0).unwrap();
        let seen = SeenLayers::in_folder(folder.path().join("seen"));
        let entries = seen.of(&layer).unwrap();
        let text = |path: &str| match &entries.0[path].kind {
            Kind::File(content) => content.text.clone(),
            _ => None,
        };
        assert_eq!(text("etc/passwd").as_deref(), Some("root:x:0:0::/:\n"));
        assert_eq!(text("bin/script").as_deref(), Some("#!/bin/sh -e"));
        assert_eq!(entries.0["etc/passwd"].mode, 0o600);
        let Kind::File(program) = &entries.0["bin/program"].kind else {
            panic!("{entries:?}");
        };
        assert!(program.elf.is_some() && program.code.is_some());
        assert_eq!(seen.find(&layer.diff_id), Some(entries));

        let elsewhere = SeenLayers::in_folder(folder.path().join("other"));
        let error = elsewhere
            .read(&crate::oci::sha256(b"other"), &b""[..])
            .unwrap_err();
        assert!(error.to_string().contains("has the digest"), "{error}");
        assert_eq!(elsewhere.find(&crate::oci::sha256(b"other")), None);
    }

    #[test]
    fn a_folder_that_hides_what_is_below_keeps_its_own_mode() {
        for marker_first in [true, false] {
            let mut tar = tar::Builder::new(Vec::new());
            let mut add = |path: &str, kind: tar::EntryType, mode: u32| {
                let mut header = tar::Header::new_ustar();
                header.set_entry_type(kind);
                header.set_mode(mode);
                header.set_size(0);
                header.set_uid(0);
                header.set_gid(0);
                tar.append_data(&mut header, path, &b""[..]).unwrap();
            };
            if marker_first {
                add("data/.wh..wh..opq", tar::EntryType::Regular, 0o600);
            }
            add("data/", tar::EntryType::Directory, 0o1777);
            if !marker_first {
                add("data/.wh..wh..opq", tar::EntryType::Regular, 0o600);
            }
            let entries = read(&mut &tar.into_inner().unwrap()[..]).unwrap();
            let folder = &entries.0["data"];
            assert_eq!(
                (&folder.kind, folder.mode),
                (&Kind::Opaque, 0o1777),
                "{marker_first}"
            );
        }
    }
}
