//! What files hold, without reading them again: digests by path, kept as git's index keeps them.
//!
//! A file is known by its device, inode, size and times. One that changed in the last moments may change again
//! within the clock's grain, and nobody would see it: such entries are not kept, so that the file is read again.
//!
//! Source of the rule: git, `Documentation/technical/racy-git.txt`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use crate::layer::LayerError;
use crate::oci::{Digest, Hasher};
use crate::turns::Turns;
use crate::whole;

/// The clock's grain of a file system, with room.
const GRAIN: Duration = Duration::from_millis(50);

/// That of one that keeps whole seconds, or every second one, with room.
const COARSE_GRAIN: Duration = Duration::from_millis(2_500);

/// How the first line of the file begins, before the checksum of all lines after it: an index of another form is not
/// read.
const HEADER: &str = "flowimage files 3 ";

/// What stands between a path and what is known of the file: no path has it.
const AFTER_PATH: char = '\0';

/// What the file system says of a file. Any change of the content changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since 1970, of the content and of anything.
    modified: i128,
    changed: i128,
}

impl Stat {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a change from now on would be seen; `now` since 1970.
    fn is_settled(&self, now: Duration) -> bool {
        // A time may be set to a whole second; when anything changed is the file system's to say.
        let grain = match self.changed % 1_000_000_000 {
            0 => COARSE_GRAIN,
            _ => GRAIN,
        };
        let latest = self.modified.max(self.changed) + grain.as_nanos().cast_signed();
        latest < now.as_nanos().cast_signed()
    }
}

/// The digests of files, as far as they are known.
///
/// Cheap where nothing is asked: the file of the index is read at the first question.
#[derive(Debug)]
pub struct FileIndex {
    path: PathBuf,
    kept: OnceLock<Kept>,
    learnt: Mutex<HashMap<PathBuf, (Stat, Digest)>>,
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
            kept: OnceLock::new(),
            learnt: Mutex::default(),
            reading: Turns::default(),
            hashed: AtomicU64::new(0),
            saved: Mutex::new(0),
        }
    }

    /// The digest of a file.
    ///
    /// # Errors
    /// It cannot be read, or changed while it was.
    pub fn digest(&self, file: &Path) -> Result<Digest, LayerError> {
        self.in_order().digest_as_seen(file, None)
    }

    /// For questions about one file after the other, in the order of their paths.
    pub(crate) fn in_order(&self) -> InOrder<'_> {
        InOrder { index: self, next: 0 }
    }

    fn read(&self, file: &Path) -> Result<Digest, LayerError> {
        let failed = |source| LayerError::Read {
            path: file.to_owned(),
            source,
        };
        let stat = look(file)?;
        // Another may have read it meanwhile.
        if let Some(digest) = self.known(file, &stat, &mut 0) {
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
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        if after == stat && stat.is_settled(now.unwrap_or_default()) {
            self.learnt().insert(file.to_owned(), (stat, digest.clone()));
        }
        Ok(digest)
    }

    /// The digest of a file that is as it was when it was read.
    fn known(&self, file: &Path, stat: &Stat, next: &mut usize) -> Option<Digest> {
        let kept = self.kept().get(file, next);
        let (known, digest) = match kept {
            Some((known, digest)) if known == *stat => (known, digest),
            _ => self.learnt().get(file).cloned()?,
        };
        (known == *stat).then_some(digest)
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
        let learnt = self.learnt();
        let learnt = learnt.iter().filter_map(|(path, (stat, digest))| {
            let path = path.to_str().filter(|path| !path.contains('\n'))?;
            Some((path, line(path, stat, digest)))
        });
        let mut lines: BTreeMap<&str, String> = self.kept().all().collect();
        lines.extend(learnt);
        let lines: String = lines.into_values().collect();
        let _ = self.write(&lines);
    }

    /// Forgets files that are gone. Says how many bytes the index is shorter then.
    pub(crate) fn forget_gone(&self) -> u64 {
        let kept: String = self
            .kept()
            .all()
            .filter(|(path, _)| fs::symlink_metadata(path).is_ok())
            .map(|(_, line)| line)
            .collect();
        let gone = self.kept().size() - kept.len();
        if gone == 0 || self.write(&kept).is_err() {
            return 0;
        }
        gone as u64
    }

    fn write(&self, lines: &str) -> std::io::Result<()> {
        let text = format!("{HEADER}{}\n{lines}", checksum(lines));
        whole::write(&self.path, text.as_bytes())
    }

    fn kept(&self) -> &Kept {
        self.kept
            .get_or_init(|| Kept::new(fs::read_to_string(&self.path).unwrap_or_default()))
    }

    fn learnt(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Stat, Digest)>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks for one file after the other finds each beside the last.
pub(crate) struct InOrder<'a> {
    index: &'a FileIndex,
    /// The line of the index where the next file may stand.
    next: usize,
}

impl InOrder<'_> {
    /// The digest of a file, and where it was looked at before, as it was then.
    ///
    /// # Errors
    /// It cannot be read, or changed while it was.
    pub(crate) fn digest_as_seen(&mut self, file: &Path, seen: Option<Stat>) -> Result<Digest, LayerError> {
        let stat = match seen {
            Some(stat) => stat,
            None => look(file)?,
        };
        let index = self.index;
        match index.known(file, &stat, &mut self.next) {
            Some(digest) => Ok(digest),
            None => index.reading.alone(file.to_owned(), || index.read(file)),
        }
    }
}

fn look(file: &Path) -> Result<Stat, LayerError> {
    let metadata = fs::metadata(file).map_err(|source| LayerError::Read {
        path: file.to_owned(),
        source,
    })?;
    Ok(Stat::of(&metadata))
}

/// An index as it was found: a line for each file, in the order of their paths. Only lines that are asked for are taken
/// apart, so that a project's many files cost nothing to a flow that declares few.
#[derive(Debug, Default)]
struct Kept {
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Kept {
    /// Nothing, where the text is not what was written.
    fn new(text: String) -> Self {
        let Some((sum, rest)) = text
            .strip_prefix(HEADER)
            .and_then(|rest| rest.split_once('\n'))
            .filter(|(sum, rest)| checksum(rest) == *sum)
        else {
            return Self::default();
        };
        let begin = HEADER.len() + sum.len() + 1;
        let ends = rest.match_indices('\n').map(|(end, _)| begin + end + 1);
        let mut lines: Vec<usize> = std::iter::once(begin).chain(ends).collect();
        // After the last line there is none.
        lines.pop();
        Self { text, lines }
    }

    fn path(&self, begin: &usize) -> &str {
        let line = &self.text[*begin..];
        line.split_once(AFTER_PATH).map_or(line, |(path, _)| path)
    }

    /// What is known of a file, which may stand at the line that is given, and then the number of the line after it.
    fn get(&self, file: &Path, next: &mut usize) -> Option<(Stat, Digest)> {
        let file = file.to_str()?;
        let is_next = self
            .lines
            .get(*next)
            .is_some_and(|begin| self.path(begin) == file);
        let found = if is_next {
            *next
        } else {
            self.lines
                .binary_search_by(|begin| self.path(begin).cmp(file))
                .ok()?
        };
        *next = found + 1;
        let line = &self.text[self.lines[found] + file.len() + 1..];
        let mut fields = line.lines().next()?.split(' ');
        let stat = Stat {
            device: fields.next()?.parse().ok()?,
            inode: fields.next()?.parse().ok()?,
            size: fields.next()?.parse().ok()?,
            modified: fields.next()?.parse().ok()?,
            changed: fields.next()?.parse().ok()?,
        };
        Some((stat, fields.next()?.parse().ok()?))
    }

    /// Bytes of all lines.
    fn size(&self) -> usize {
        self.lines.first().map_or(0, |begin| self.text.len() - begin)
    }

    /// Each path and its line.
    fn all(&self) -> impl Iterator<Item = (&str, String)> {
        self.lines.iter().map(|begin| {
            let line = self.text[*begin..].split_inclusive('\n').next();
            (self.path(begin), line.unwrap_or_default().to_owned())
        })
    }
}

/// Tells what a full disk left from what was written whole.
fn checksum(lines: &str) -> String {
    format!("{:08x}", libdeflater::crc32(lines.as_bytes()))
}

fn line(path: &str, stat: &Stat, digest: &Digest) -> String {
    let Stat {
        device,
        inode,
        size,
        modified,
        changed,
    } = stat;
    format!("{path}{AFTER_PATH}{device} {inode} {size} {modified} {changed} {digest}\n")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::oci::sha256;

    fn settle() {
        thread::sleep(GRAIN * 2);
    }

    #[test]
    fn a_file_system_of_whole_seconds_takes_longer_to_settle() {
        let of = |milliseconds: i128| Stat {
            device: 1,
            inode: 1,
            size: 1,
            modified: 7_000_000_000,
            changed: milliseconds * 1_000_000,
        };
        let settled = |stat: Stat, now| stat.is_settled(Duration::from_millis(now));
        assert!(!settled(of(7_200), 7_240) && settled(of(7_200), 7_260));
        // Two seconds later it may be changed without a trace.
        assert!(!settled(of(7_000), 8_999) && settled(of(7_000), 9_501));
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
    fn files_that_are_gone_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("files");
        let files = ["a", "b", "c"].map(|name| folder.path().join(name));
        for file in &files {
            fs::write(file, file.as_os_str().as_encoded_bytes()).unwrap();
        }
        settle();
        let index = FileIndex::new(path.clone());
        assert_eq!(index.forget_gone(), 0, "there is none");
        for file in &files {
            index.digest(file).unwrap();
        }
        index.save();
        let before = fs::metadata(&path).unwrap().len();
        assert_eq!(FileIndex::new(path.clone()).forget_gone(), 0);
        fs::remove_file(&files[1]).unwrap();
        let shorter = FileIndex::new(path.clone()).forget_gone();
        assert_eq!(fs::metadata(&path).unwrap().len(), before - shorter);
        assert!(shorter > 0);
        let again = FileIndex::new(path);
        again.digest(&files[0]).unwrap();
        again.digest(&files[2]).unwrap();
        assert_eq!(again.hashed(), 0);
    }

    #[test]
    fn an_index_keeps_what_it_held_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("index");
        let files = ["b", "a c", "a", "ab"].map(|name| folder.path().join(name));
        let hashed = |index: &FileIndex| {
            let before = index.hashed();
            for file in &files {
                index.digest(file).unwrap();
            }
            index.hashed() - before
        };
        for file in &files {
            fs::write(file, "x").unwrap();
        }
        settle();
        // Learnt one after the other, by two processes.
        for file in &files[..2] {
            let index = FileIndex::new(kept.clone());
            index.digest(file).unwrap();
            index.save();
        }
        let index = FileIndex::new(kept.clone());
        assert_eq!(hashed(&index), 2);
        index.save();
        assert_eq!(hashed(&FileIndex::new(kept.clone())), 0);
        let good = fs::read_to_string(&kept).unwrap();
        for bad in [
            String::new(),
            HEADER.to_owned(),
            good.replacen('2', "9", 1),
            good[..good.len() - 3].to_owned(),
            good.replacen(sha256(b"x").as_str(), sha256(b"y").as_str(), 1),
        ] {
            assert_ne!(bad, good);
            fs::write(&kept, bad).unwrap();
            let index = FileIndex::new(kept.clone());
            assert_eq!(hashed(&index), 4);
            index.save();
            assert_eq!(fs::read_to_string(&kept).unwrap(), good);
        }
    }
}
