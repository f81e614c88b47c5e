//! Layers, deterministic to the byte: the same entries give the same digest, whatever the order they were added
//! in, the folder they came from, its times and the umask.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use crate::advice::Advise;
use crate::file_index::{FileIndex, Stat};
use crate::gzip::GzipWriter;
use crate::layout::{Layout, LayoutError};
use crate::oci::{Descriptor, Digest, HashingWriter, Layer, Source, media_type, sha256};

/// Threads that look at the entries of a layer, at most.
const THREADS: usize = 8;

/// Fewer entries than this are looked at by one thread.
const FEW_ENTRIES: usize = 64;

/// Fewer folders than this are read by one thread.
const FEW_FOLDERS: usize = 8;

/// What an entry of a layer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Folder,
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file with the bytes of one on this machine.
    Host(HostFile),
    /// A symbolic link to this path.
    Link(String),
}

/// A file of this machine.
#[derive(Clone, Debug)]
pub struct HostFile {
    /// Its path.
    pub path: PathBuf,
    /// How it was when its folder was walked.
    seen: Option<Stat>,
}

impl HostFile {
    /// One that was just looked at.
    pub(crate) fn seen(path: PathBuf, metadata: &fs::Metadata) -> Self {
        let seen = Some(Stat::of(metadata));
        Self { path, seen }
    }
}

impl From<PathBuf> for HostFile {
    fn from(path: PathBuf) -> Self {
        Self { path, seen: None }
    }
}

impl AsRef<Path> for HostFile {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// When it was looked at makes no difference.
impl PartialEq for HostFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for HostFile {}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Owner, and group of the same number.
    pub owner: u32,
}

impl Entry {
    fn digest(
        &self,
        file: impl FnOnce(&HostFile) -> Result<Digest, LayerError>,
    ) -> Result<Digest, LayerError> {
        let (mode, owner) = (self.mode, self.owner);
        let text = match &self.content {
            Content::Folder => format!("{mode:o} {owner} folder"),
            Content::Link(target) => format!("{mode:o} {owner} link {target}"),
            Content::Bytes(bytes) => format!("{mode:o} {owner} file {}", sha256(bytes)),
            Content::Host(host) => format!("{mode:o} {owner} file {}", file(host)?),
        };
        Ok(sha256(text.as_bytes()))
    }
}

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A file or folder to copy.
    #[error("cannot read {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file that grew or shrank meanwhile.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Files of a layer that changed while it was made.
    #[error("a file changed while the layer with it was made")]
    ChangedMeanwhile,
    /// A program that cannot be taken apart.
    #[error(transparent)]
    Program(Box<crate::elf::ElfError>),
    /// A socket, device or pipe.
    #[error("{} is neither file, folder nor symbolic link", .0.display())]
    Special(PathBuf),
    /// A path that is not UTF-8.
    #[error("{} is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The layout the layer is written to.
    #[error("cannot write a layer")]
    Write(#[source] io::Error),
    /// The same, from the layout's own code.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Advise for LayerError {
    fn advice(&self) -> Option<String> {
        match self {
            LayerError::Read { .. } => {
                Some("check that the file exists and is readable, or remove it from `files`".into())
            }
            LayerError::Changed(_) | LayerError::ChangedMeanwhile => {
                Some("run the command again when nothing writes to it".into())
            }
            LayerError::Program(error) => error.advice(),
            LayerError::Special(_) => Some("declare the files you need one by one".into()),
            LayerError::NotText(_) => Some("rename it".into()),
            LayerError::Write(_) => None,
            LayerError::Layout(error) => error.advice(),
        }
    }
}

/// The entries of a layer, by path relative to the root, without a leading `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerBuilder {
    entries: BTreeMap<String, Entry>,
}

impl LayerBuilder {
    /// A layer with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, by path relative to the root.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// A digest of each entry, in the order of their paths: of what it is, its content, mode and owner.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn digests(&self, files: &FileIndex) -> Result<Vec<Digest>, LayerError> {
        self.digests_of(files, |_| None)
    }

    /// The same, of files as they were when their folders were walked: one look at each is enough.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn digests_when_walked(&self, files: &FileIndex) -> Result<Vec<Digest>, LayerError> {
        self.digests_of(files, |file| file.seen)
    }

    fn digests_of(
        &self,
        files: &FileIndex,
        seen: impl Fn(&HostFile) -> Option<Stat> + Sync,
    ) -> Result<Vec<Digest>, LayerError> {
        let entries: Vec<&Entry> = self.entries.values().collect();
        in_shares(&entries, FEW_ENTRIES, |entries| {
            let mut files = files.in_order();
            let digests = entries
                .iter()
                .map(|entry| entry.digest(|file| files.digest_as_seen(&file.path, seen(file))));
            digests.collect()
        })
    }

    /// Adds an entry at an absolute path; a later one at the same path replaces the earlier. Folders above it are
    /// added with mode 0755 and owner root where nothing else said so.
    pub fn add(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return;
        }
        for (index, _) in path.rmatch_indices('/') {
            // Where it is known, all above it is.
            if self.entries.contains_key(&path[..index]) {
                break;
            }
            let folder = Entry {
                content: Content::Folder,
                mode: 0o755,
                owner: 0,
            };
            self.entries.insert(path[..index].to_owned(), folder);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Adds a folder.
    pub fn folder(&mut self, path: &str, mode: u32, owner: u32) {
        self.add(
            path,
            Entry {
                content: Content::Folder,
                mode,
                owner,
            },
        );
    }

    /// Adds a file of root's with these bytes.
    pub fn bytes(&mut self, path: &str, bytes: impl Into<Vec<u8>>, mode: u32) {
        self.add(
            path,
            Entry {
                content: Content::Bytes(bytes.into()),
                mode,
                owner: 0,
            },
        );
    }

    /// Adds a file, folder or link of this machine. Modes are 0755 for folders and for files that their owner may
    /// execute, else 0644; links inside a folder stay links.
    ///
    /// # Errors
    /// What cannot be read, or is no file, folder or link.
    pub fn host(&mut self, destination: &str, source: &Path) -> Result<(), LayerError> {
        let metadata = fs::metadata(source).map_err(|error| read_error(source, error))?;
        if metadata.is_dir() {
            return self.host_folder(destination, source);
        }
        self.add(destination, host_entry(source, &metadata)?);
        Ok(())
    }

    /// Level by level: the folders of one are read by several threads.
    fn host_folder(&mut self, destination: &str, source: &Path) -> Result<(), LayerError> {
        self.folder(destination, 0o755, 0);
        let mut level = vec![(destination.trim_matches('/').to_owned(), source.to_owned())];
        let mut found = Vec::new();
        while !level.is_empty() {
            let mut below = Vec::new();
            for read in in_shares(&level, FEW_FOLDERS, |level| {
                level.iter().map(read_folder).collect()
            })? {
                for (path, folder, entry) in read {
                    if let Some(folder) = folder {
                        below.push((path.clone(), folder));
                    }
                    found.push((path, entry));
                }
            }
            level = below;
            level.sort();
        }
        // What is in order nearly is put in order soon, and a map that is made of all at once is filled from one end.
        self.entries.append(&mut found.into_iter().collect());
        Ok(())
    }

    /// Writes the layer into a layout, streaming: tar, hashed, compressed, hashed, renamed to its digest.
    ///
    /// `time` is the modification time of every entry, in seconds since 1970.
    ///
    /// # Errors
    /// A source that cannot be read or changed meanwhile; a layout that cannot be written.
    pub fn write(&self, layout: &Layout, time: u64) -> Result<Layer, LayerError> {
        let blob = layout.blob_writer()?;
        let tar = HashingWriter::new(GzipWriter::new(HashingWriter::new(blob)));
        let (gzip, diff_id, _) = self.write_tar(tar, time)?.finish();
        let (blob, digest, size) = gzip.finish().map_err(LayerError::Write)?.finish();
        let path = blob.keep(&digest)?;
        let blob = Descriptor::new(media_type::LAYER_GZIP, digest, size);
        Ok(Layer {
            blob,
            diff_id,
            source: Source::File(path),
        })
    }

    /// Writes the layer as a plain tar archive.
    ///
    /// # Errors
    /// As [`LayerBuilder::write`].
    pub fn write_tar<W: Write>(&self, out: W, time: u64) -> Result<W, LayerError> {
        let mut archive = tar::Builder::new(out);
        for (path, entry) in &self.entries {
            let mut header = tar::Header::new_ustar();
            header.set_mtime(time);
            header.set_mode(entry.mode);
            header.set_uid(u64::from(entry.owner));
            header.set_gid(u64::from(entry.owner));
            match &entry.content {
                Content::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_size(0);
                    archive
                        .append_data(&mut header, format!("{path}/"), io::empty())
                        .map_err(LayerError::Write)?;
                }
                Content::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    archive
                        .append_data(&mut header, path, &bytes[..])
                        .map_err(LayerError::Write)?;
                }
                Content::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    archive
                        .append_link(&mut header, path, target)
                        .map_err(LayerError::Write)?;
                }
                Content::Host(HostFile { path: source, .. }) => {
                    let file = File::open(source).map_err(|error| read_error(source, error))?;
                    let size = file.metadata().map_err(|error| read_error(source, error))?.len();
                    header.set_size(size);
                    let mut exact = Exactly {
                        file,
                        left: size,
                        changed: false,
                    };
                    let written = archive.append_data(&mut header, path, &mut exact);
                    if exact.changed || exact.grew() {
                        return Err(LayerError::Changed(source.clone()));
                    }
                    written.map_err(LayerError::Write)?;
                }
            }
        }
        archive.into_inner().map_err(LayerError::Write)
    }
}

/// What is done with all items, in their order; by several threads, unless there are few.
fn in_shares<T: Sync, U: Send>(
    items: &[T],
    few: usize,
    each: impl Fn(&[T]) -> Result<Vec<U>, LayerError> + Sync,
) -> Result<Vec<U>, LayerError> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS);
    if items.len() < few || threads == 1 {
        return each(items);
    }
    let shares = thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(items.len().div_ceil(threads))
            .map(|share| scope.spawn(|| each(share)))
            .collect();
        let died = |_| Err(LayerError::Write(io::Error::other("a thread died")));
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(died))
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(shares.into_iter().flatten().collect())
}

/// An entry of a layer to be, its path, and of a folder its path on this machine.
type Found = (String, Option<PathBuf>, Entry);

/// What lies in a folder, given by its path in the image and on this machine.
fn read_folder((destination, source): &(String, PathBuf)) -> Result<Vec<Found>, LayerError> {
    let failed = |error| read_error(source, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(source).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| LayerError::NotText(path.clone()))?;
        let destination = match destination.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        // By its name in the open folder: no walk from the root for each.
        let metadata = entry.metadata().map_err(|error| read_error(&path, error))?;
        let entry = host_entry(&path, &metadata)?;
        found.push((destination, metadata.is_dir().then_some(path), entry));
    }
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    Ok(found)
}

fn host_entry(source: &Path, metadata: &fs::Metadata) -> Result<Entry, LayerError> {
    use std::os::unix::fs::PermissionsExt;
    let (content, mode) = if metadata.is_dir() {
        (Content::Folder, 0o755)
    } else if metadata.is_symlink() {
        let target = fs::read_link(source).map_err(|error| read_error(source, error))?;
        let target = target
            .to_str()
            .ok_or_else(|| LayerError::NotText(source.to_owned()))?;
        (Content::Link(target.to_owned()), 0o777)
    } else if metadata.is_file() {
        let is_executable = metadata.permissions().mode() & 0o100 != 0;
        let file = HostFile::seen(source.to_owned(), metadata);
        (Content::Host(file), if is_executable { 0o755 } else { 0o644 })
    } else {
        return Err(LayerError::Special(source.to_owned()));
    };
    Ok(Entry {
        content,
        mode,
        owner: 0,
    })
}

fn read_error(path: &Path, source: io::Error) -> LayerError {
    LayerError::Read {
        path: path.to_owned(),
        source,
    }
}

/// A file that must have the size its header says: a tar archive cannot be mended afterwards.
struct Exactly {
    file: File,
    left: u64,
    changed: bool,
}

impl Exactly {
    fn grew(&mut self) -> bool {
        self.left == 0 && !matches!(self.file.read(&mut [0]), Ok(0))
    }
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..wanted])?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            self.changed = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tree(folder: &Path, mode: u32, reverse: bool) {
        let mut names = ["b.txt", "a.sh", "sub/deep.txt"];
        if reverse {
            names.reverse();
        }
        for name in names {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            let executable = if name == "a.sh" { 0o100 } else { 0 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | executable)).unwrap();
        }
        std::os::unix::fs::symlink("b.txt", folder.join("link")).unwrap();
    }

    #[test]
    fn same_content_in_other_folders_times_and_modes_is_the_same_layer() {
        let mut layers = Vec::new();
        for (mode, reverse) in [(0o644, false), (0o600, true)] {
            let folder = tempfile::tempdir().unwrap();
            tree(&folder.path().join("in"), mode, reverse);
            let layout = Layout::open(folder.path().join("out")).unwrap();
            let mut builder = LayerBuilder::new();
            builder.host("/data", &folder.path().join("in")).unwrap();
            builder.bytes("/etc/x", "y", 0o644);
            layers.push(builder.write(&layout, 0).unwrap());
        }
        assert_eq!(layers[0].blob, layers[1].blob);
        assert_eq!(layers[0].diff_id, layers[1].diff_id);
    }

    #[test]
    fn content_and_mode_change_the_digest() {
        let layout = tempfile::tempdir().unwrap();
        let layout = Layout::open(layout.path()).unwrap();
        let layer = |bytes: &str, mode| {
            let mut builder = LayerBuilder::new();
            builder.bytes("/x", bytes, mode);
            builder.write(&layout, 0).unwrap().blob.digest
        };
        assert_ne!(layer("a", 0o644), layer("b", 0o644));
        assert_ne!(layer("a", 0o644), layer("a", 0o755));
    }

    #[test]
    fn many_entries_looked_at_by_several_threads_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut all = LayerBuilder::new();
        for number in 0..200 {
            let file = folder.path().join(number.to_string());
            fs::write(&file, number.to_string()).unwrap();
            all.host(&format!("/a/b/{number}"), &file).unwrap();
        }
        let files = FileIndex::new(folder.path().join("index"));
        let digests = all.digests(&files).unwrap();
        // With the two folders.
        assert_eq!(digests.len(), 202);
        for number in 0..200 {
            let mut one = LayerBuilder::new();
            let path = format!("a/b/{number}");
            one.host(&path, &folder.path().join(number.to_string())).unwrap();
            let at = |layer: &LayerBuilder| layer.entries().position(|(known, _)| known == path).unwrap();
            let alone = one.digests(&files).unwrap();
            assert_eq!(digests[at(&all)], alone[at(&one)]);
        }
    }

    #[test]
    fn a_tree_of_many_folders_is_laid_where_it_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for number in 0..40 {
            for file in ["x", "sub/deep/y"] {
                names.push(format!("{number:02}/{file}"));
            }
        }
        for name in &names {
            let path = folder.path().join("in").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        for (destination, prefix) in [
            ("/data", "data/"),
            ("/data/", "data/"),
            ("/", ""),
            ("/a/b", "a/b/"),
        ] {
            let mut layer = LayerBuilder::new();
            layer.host(destination, &folder.path().join("in")).unwrap();
            let files = layer.entries().filter_map(|(path, entry)| match &entry.content {
                Content::Host(file) => Some((path.to_owned(), fs::read_to_string(file).unwrap())),
                _ => None,
            });
            let mut expected: Vec<_> = names
                .iter()
                .map(|name| (format!("{prefix}{name}"), name.clone()))
                .collect();
            expected.sort();
            assert_eq!(files.collect::<Vec<_>>(), expected);
            // 40 folders, their `sub` and `deep`, and those above them.
            let folders = layer
                .entries()
                .filter(|(_, entry)| entry.content == Content::Folder);
            assert_eq!(folders.count(), 120 + prefix.matches('/').count());
        }
    }

    #[test]
    fn a_socket_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
        let error = LayerBuilder::new().host("/x", folder.path()).unwrap_err();
        assert!(matches!(error, LayerError::Special(_)), "{error}");
    }
}
