//! What files hold, without reading them again: digests by path, kept as git's index keeps them.
//!
//! A file is known by its device, inode, size and times. One that changed in the last moments may change again
//! within the clock's grain, and nobody would see it: such entries are not kept, so that the file is read again.
//!
//! Source of the rule: git, `Documentation/technical/racy-git.txt`.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::layer::LayerError;
use crate::oci::{Digest, Hasher};
use crate::turns::Turns;
use crate::whole;

/// The clock's grain of any file system, with room.
const GRAIN: Duration = Duration::from_millis(50);

/// The first line of the file: an index of another form is not read.
const HEADER: &str = "flowimage files 1";

/// Threads that look at files, at most.
const THREADS: usize = 8;

/// Fewer files than this are looked at by one thread.
const FEW: usize = 64;

/// What the file system says of a file. Any change of the content changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since 1970, of the content and of anything.
    modified: i128,
    changed: i128,
}

impl Stat {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a change from now on would be seen.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let latest = self.modified.max(self.changed) + GRAIN.as_nanos().cast_signed();
        latest < now.as_nanos().cast_signed()
    }
}

type Entries = HashMap<PathBuf, (Stat, Digest)>;

/// The digests of files, as far as they are known.
///
/// Cheap where nothing is asked: the file of the index is read at the first question.
#[derive(Debug)]
pub struct FileIndex {
    path: PathBuf,
    entries: OnceLock<Mutex<Entries>>,
    /// Files that are being read.
    reading: Turns<PathBuf>,
    hashed: AtomicU64,
    /// How many of them were hashed by the time of the last save.
    saved: Mutex<u64>,
}

impl FileIndex {
    /// The index that lies in this file, or will.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            entries: OnceLock::new(),
            reading: Turns::default(),
            hashed: AtomicU64::new(0),
            saved: Mutex::new(0),
        }
    }

    /// The digest of each file, in their order.
    ///
    /// # Errors
    /// A file cannot be read, or changed while it was.
    pub fn digests(&self, files: &[&Path]) -> Result<Vec<Digest>, LayerError> {
        let threads = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(THREADS);
        if files.len() < FEW || threads == 1 {
            return files.iter().map(|file| self.digest(file)).collect();
        }
        let share = files.len().div_ceil(threads);
        let shares = thread::scope(|scope| {
            let workers: Vec<_> = files
                .chunks(share)
                .map(|files| {
                    scope.spawn(|| {
                        files
                            .iter()
                            .map(|file| self.digest(file))
                            .collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| {
                    worker
                        .join()
                        .unwrap_or_else(|_| Err(LayerError::Write(io::Error::other("a thread died"))))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(shares.into_iter().flatten().collect())
    }

    /// The digest of a file.
    ///
    /// # Errors
    /// It cannot be read, or changed while it was.
    pub fn digest(&self, file: &Path) -> Result<Digest, LayerError> {
        let failed = |source| LayerError::Read {
            path: file.to_owned(),
            source,
        };
        let stat = Stat::of(&fs::metadata(file).map_err(failed)?);
        match self.known(file, stat) {
            Some(digest) => Ok(digest),
            None => self.reading.alone(file.to_owned(), || self.read(file)),
        }
    }

    fn known(&self, file: &Path, stat: Stat) -> Option<Digest> {
        let entries = self.lock();
        let (known, digest) = entries.get(file)?;
        (*known == stat).then(|| digest.clone())
    }

    fn read(&self, file: &Path) -> Result<Digest, LayerError> {
        let failed = |source| LayerError::Read {
            path: file.to_owned(),
            source,
        };
        let stat = Stat::of(&fs::metadata(file).map_err(failed)?);
        // Another may have read it meanwhile.
        if let Some(digest) = self.known(file, stat) {
            return Ok(digest);
        }
        let mut open = File::open(file).map_err(failed)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match open.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        let (digest, length) = hasher.finish();
        self.hashed.fetch_add(length, Ordering::Relaxed);
        let after = Stat::of(&open.metadata().map_err(failed)?);
        // A new link to the file, or a new owner, changes it too, but not what was read.
        let touched = Stat {
            changed: after.changed,
            ..stat
        };
        if after != touched || length != stat.size {
            return Err(LayerError::Changed(file.to_owned()));
        }
        if after == stat && stat.is_settled() {
            self.lock().insert(file.to_owned(), (stat, digest.clone()));
        }
        Ok(digest)
    }

    /// Bytes that had to be read and hashed so far.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Keeps what was learnt. An index that cannot be written costs time, nothing else.
    pub fn save(&self) {
        // One at a time: what is written last knows the most.
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let hashed = self.hashed();
        if std::mem::replace(&mut *saved, hashed) == hashed {
            return;
        }
        let mut text = format!("{HEADER}\n");
        for (path, (stat, digest)) in &*self.lock() {
            let Some(path) = path.to_str().filter(|path| !path.contains('\n')) else {
                continue;
            };
            let Stat {
                device,
                inode,
                size,
                modified,
                changed,
            } = stat;
            let hex = digest.hex();
            text.push_str(&format!(
                "{device} {inode} {size} {modified} {changed} {hex} {path}\n"
            ));
        }
        let _ = whole::write(&self.path, text.as_bytes());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        let entries = self.entries.get_or_init(|| {
            let text = fs::read_to_string(&self.path).unwrap_or_default();
            Mutex::new(parse(&text).unwrap_or_default())
        });
        entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries of an index; `None` where any line is not one, for then none can be trusted.
fn parse(text: &str) -> Option<Entries> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) || !text.ends_with('\n') {
        return None;
    }
    lines
        .map(|line| {
            let mut fields = line.splitn(7, ' ');
            let stat = Stat {
                device: fields.next()?.parse().ok()?,
                inode: fields.next()?.parse().ok()?,
                size: fields.next()?.parse().ok()?,
                modified: fields.next()?.parse().ok()?,
                changed: fields.next()?.parse().ok()?,
            };
            let digest = format!("sha256:{}", fields.next()?).parse().ok()?;
            Some((PathBuf::from(fields.next()?), (stat, digest)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::sha256;

    fn settle() {
        thread::sleep(GRAIN * 2);
    }

    #[test]
    fn a_settled_file_is_read_once_also_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = (
            folder.path().join("file with space"),
            folder.path().join("x/index"),
        );
        fs::write(&file, "one").unwrap();
        settle();
        let index = FileIndex::new(kept.clone());
        assert_eq!(index.digest(&file).unwrap(), sha256(b"one"));
        assert_eq!(index.digest(&file).unwrap(), sha256(b"one"));
        assert_eq!(index.hashed(), 3);
        index.save();
        let next = FileIndex::new(kept);
        assert_eq!(next.digest(&file).unwrap(), sha256(b"one"));
        assert_eq!(next.hashed(), 0);
    }

    #[test]
    fn a_file_that_several_threads_ask_for_is_read_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let bytes = vec![7; 4 << 20];
        fs::write(&file, &bytes).unwrap();
        settle();
        let index = FileIndex::new(folder.path().join("index"));
        let (ready, wanted) = (std::sync::Barrier::new(8), sha256(&bytes));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    ready.wait();
                    assert_eq!(index.digest(&file).unwrap(), wanted);
                });
            }
        });
        assert_eq!(index.hashed(), bytes.len() as u64);
    }

    #[test]
    fn a_file_that_changed_just_now_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let index = FileIndex::new(folder.path().join("index"));
        for text in ["one", "two", "six"] {
            // Same size, same moment.
            fs::write(&file, text).unwrap();
            assert_eq!(index.digest(&file).unwrap(), sha256(text.as_bytes()));
        }
    }

    #[test]
    fn same_size_and_old_times_do_not_hide_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        settle();
        let index = FileIndex::new(folder.path().join("index"));
        index.digest(&file).unwrap();
        fs::write(&file, "two").unwrap();
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(before)
            .unwrap();
        assert_eq!(index.digest(&file).unwrap(), sha256(b"two"));
    }

    #[test]
    fn a_damaged_index_is_no_index() {
        let good = format!("{HEADER}\n1 2 3 4 5 {} /a b\n", sha256(b"x").hex());
        assert_eq!(parse(&good).unwrap().len(), 1);
        for bad in [
            "",
            "flowimage files 9\n",
            &good[..good.len() - 3],
            &good.replace("1 2", "1 x"),
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn many_files_by_several_threads_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..200)
            .map(|number| {
                let file = folder.path().join(number.to_string());
                fs::write(&file, number.to_string()).unwrap();
                file
            })
            .collect();
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let digests = FileIndex::new(folder.path().join("index"))
            .digests(&files)
            .unwrap();
        for (number, digest) in digests.iter().enumerate() {
            assert_eq!(*digest, sha256(number.to_string().as_bytes()));
        }
    }
}
