//! The log of a run on its way to the server: in memory, then in a file of limited size, then counted only.
//!
//! The flow's thread never waits for the server here. A line costs it a copy into the page that is being filled; once
//! for a page's hundreds of lines, the page is put away and the sender woken.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::page::{Line, Page};
use super::spill::{self, Spill};
use crate::timestamp;

/// Lines in one request, at most.
pub(super) const BATCH_LINES: usize = 500;
/// Bytes of one request, about.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of one message; Prefect's own clients cut there too.
const MESSAGE_BYTES: usize = 1 << 20;

/// How much may wait for the server.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes in memory, beside the page that is being filled.
    pub memory: usize,
    /// Bytes in the file.
    pub file: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            memory: 4 << 20,
            file: 64 << 20,
        }
    }
}

/// Lines that wait to be sent.
#[derive(Debug, Default)]
pub struct Lines {
    waiting: Mutex<Waiting>,
    /// Told when a page is full.
    pub(super) full: Notify,
}

/// The order is: pages in memory, pages in the file, what was dropped, the page that is being filled.
#[derive(Debug, Default)]
struct Waiting {
    room: Room,
    memory: VecDeque<Page>,
    /// Of the pages in memory.
    bytes: usize,
    spill: Option<Spill>,
    /// Lines dropped since the file became full.
    dropped: u64,
    filling: Page,
    last: u64,
    said: u64,
    left: u64,
}

/// Where the next page is.
enum Next {
    Here(Page),
    /// As it lay in the file; to be read without holding up who adds lines.
    Written(Vec<u8>),
}

impl Lines {
    /// An empty log.
    pub fn new(room: Room) -> Self {
        let lines = Self::default();
        lines.lock().room = room;
        lines
    }

    /// Takes a line in.
    pub fn push(&self, level: u8, name: &str, message: &str) {
        self.push_at(timestamp::now(), level, name, message);
    }

    /// Takes a line in that was said at `micros`.
    pub fn push_at(&self, micros: u64, level: u8, name: &str, message: &str) {
        let message = presentable(message);
        let full = self.lock().take_in(micros, level, name, &message);
        if full {
            self.full.notify_one();
        }
    }

    /// The next lines to send, in order; empty where none waits.
    pub fn batch(&self) -> Page {
        let next = self.lock().next();
        match next {
            Next::Here(page) => page,
            Next::Written(bytes) => spill::page(&bytes).unwrap_or_default(),
        }
    }

    /// How many lines there were.
    pub fn said(&self) -> u64 {
        self.lock().said
    }

    /// How many wait, or were taken and not yet sent.
    pub fn left(&self) -> u64 {
        self.lock().left
    }

    /// So many of those taken are done with.
    pub(super) fn sent(&self, count: usize) {
        let mut waiting = self.lock();
        waiting.left = waiting.left.saturating_sub(count as u64);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns whether a page became full.
    fn take_in(&mut self, micros: u64, level: u8, name: &str, message: &str) -> bool {
        // The server sorts by time: no two lines have the same.
        let micros = micros.max(self.last + 1);
        self.last = micros;
        self.said += 1;
        self.left += 1;
        self.filling.add(Line {
            level,
            name,
            message,
            micros,
        });
        // Several pages fit into memory, however little that is: what is dropped later, is dropped by the page.
        let most = BATCH_BYTES.min(self.room.memory / 4);
        if self.filling.len() < BATCH_LINES && self.filling.bytes() < most {
            return false;
        }
        let page = std::mem::take(&mut self.filling);
        self.put_away(page);
        true
    }

    fn put_away(&mut self, page: Page) {
        // Once one went into the file, or was dropped, all go that way until those before are sent, or the order would
        // be lost.
        if self.spill.is_none() && self.dropped == 0 {
            let bytes = self.bytes + page.bytes();
            if bytes <= self.room.memory {
                self.bytes = bytes;
                self.memory.push_back(page);
                return;
            }
            self.spill = Spill::new().ok();
        }
        let limit = self.room.file;
        let written = match &mut self.spill {
            Some(spill) if self.dropped == 0 => spill.write(&page, limit),
            _ => false,
        };
        if !written {
            self.dropped += page.len() as u64;
        }
    }

    fn next(&mut self) -> Next {
        if let Some(page) = self.memory.pop_front() {
            self.bytes = self.bytes.saturating_sub(page.bytes());
            return Next::Here(page);
        }
        match self.spill.as_mut().and_then(Spill::read) {
            Some(Ok(bytes)) => return Next::Written(bytes),
            // A disk that does not give back what it took.
            Some(Err(_)) => self.dropped += self.spill.as_ref().map_or(0, Spill::lines) as u64,
            None => {}
        }
        self.spill = None;
        Next::Here(match std::mem::take(&mut self.dropped) {
            0 => std::mem::take(&mut self.filling),
            dropped => self.told(dropped),
        })
    }

    /// The one line that comes in the place of those that were dropped, and counts them.
    fn told(&mut self, dropped: u64) -> Page {
        self.left = (self.left + 1).saturating_sub(dropped);
        let next = self.filling.lines().next();
        let mut page = Page::default();
        page.add(Line {
            level: 30,
            name: "flowimage.log",
            message: &format!(
                "{dropped} lines of the log were dropped here: the server did not take them quickly enough; the \
                 container's own output has them"
            ),
            micros: next.map_or(self.last, |line| line.micros.saturating_sub(1)),
        });
        page
    }
}

/// Without NUL, which PostgreSQL does not store, and no longer than the server's clients send.
fn presentable(message: &str) -> Cow<'_, str> {
    let mut message = Cow::Borrowed(message);
    if message.len() > MESSAGE_BYTES {
        let mut end = MESSAGE_BYTES;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message = Cow::Owned(format!("{}…", &message[..end]));
    }
    if message.contains('\0') {
        message = Cow::Owned(message.replace('\0', ""));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &Lines) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let batch = lines.batch();
            if batch.is_empty() {
                return all;
            }
            assert!(batch.len() <= BATCH_LINES);
            assert!(batch.lines().is_sorted_by(|a, b| a.micros < b.micros));
            all.extend(batch.lines().map(|line| line.message.to_owned()));
        }
    }

    #[test]
    fn more_than_memory_holds_goes_through_the_file_in_order() {
        let lines = Lines::new(Room {
            memory: 4096,
            file: 1 << 20,
        });
        let mut expected = Vec::new();
        for round in 0..3 {
            for number in 0..2000 {
                let message = format!("{round} {number} é\n");
                lines.push(20, "a::b", &message);
                expected.push(message);
            }
            // Some are taken while more come.
            if round == 0 {
                let first = lines.batch();
                assert!(
                    expected
                        .iter()
                        .zip(first.lines())
                        .all(|(text, line)| *text == line.message)
                );
                expected.drain(..first.len());
            }
        }
        assert_eq!(all(&lines), expected);
        lines.push(20, "a", "after");
        assert_eq!(all(&lines), ["after"]);
    }

    #[test]
    fn what_no_room_is_left_for_is_counted_in_its_place() {
        let lines = Lines::new(Room {
            memory: 300,
            file: 400,
        });
        for number in 0..100 {
            lines.push(20, "a", &format!("line {number:04}"));
        }
        let got = all(&lines);
        let kept = got.len() - 1;
        assert!(kept > 5 && kept < 99, "{kept}");
        assert_eq!(got[kept - 1], format!("line {:04}", kept - 1));
        assert!(got[kept].starts_with(&format!("{} lines of the log were dropped", 100 - kept)));
        lines.push(20, "a", "after");
        assert_eq!(all(&lines), ["after"]);
    }

    #[test]
    fn messages_are_cut_and_lose_their_nul() {
        let lines = Lines::default();
        lines.push(20, "a", "a\0b");
        lines.push(20, "a", &"é".repeat(MESSAGE_BYTES));
        let got = all(&lines);
        assert_eq!(got[0], "ab");
        assert_eq!(got[1].len(), MESSAGE_BYTES + "…".len());
    }

    #[test]
    fn a_line_longer_than_a_chunk_comes_back_from_the_file() {
        let lines = Lines::new(Room {
            memory: 0,
            file: 8 << 20,
        });
        let long = "x".repeat(900_000);
        lines.push(20, "a", &long);
        lines.push(20, "a", "short");
        assert_eq!(all(&lines), [long, "short".to_owned()]);
    }
}
