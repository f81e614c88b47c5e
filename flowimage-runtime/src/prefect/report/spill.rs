//! Pages of the log in a file without a name, which goes with the process.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::page::Page;

/// Pages that memory had no room for, in order.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    written: u64,
    read: u64,
    /// Bytes and lines of each page that is not read yet.
    pages: VecDeque<(usize, usize)>,
}

impl Spill {
    pub(super) fn new() -> io::Result<Self> {
        let home = || std::env::var_os("HOME").map(tempfile::tempfile_in);
        let file = tempfile::tempfile().or_else(|error| home().unwrap_or(Err(error)))?;
        Ok(Self {
            file,
            written: 0,
            read: 0,
            pages: VecDeque::new(),
        })
    }

    /// Adds a page with one write. Returns whether there was room, on the disk too.
    pub(super) fn write(&mut self, page: &Page, limit: u64) -> bool {
        let Ok(bytes) = serde_json::to_vec(page) else {
            return false;
        };
        if self.written + bytes.len() as u64 > limit || self.file.write_all_at(&bytes, self.written).is_err()
        {
            return false;
        }
        self.written += bytes.len() as u64;
        self.pages.push_back((bytes.len(), page.len()));
        true
    }

    /// The next page as it lies in the file; `None` where all are read.
    pub(super) fn read(&mut self) -> Option<io::Result<Vec<u8>>> {
        let (length, _) = *self.pages.front()?;
        let mut bytes = vec![0; length];
        Some(self.file.read_exact_at(&mut bytes, self.read).map(|()| {
            self.read += length as u64;
            self.pages.pop_front();
            bytes
        }))
    }

    /// Lines that are not read yet.
    pub(super) fn lines(&self) -> usize {
        self.pages.iter().map(|(_, lines)| lines).sum()
    }
}

/// A page as [`Spill::read`] gave it.
pub(super) fn page(bytes: &[u8]) -> Option<Page> {
    serde_json::from_slice(bytes).ok()
}
