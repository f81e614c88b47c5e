//! The log of a run on its way to the server: in memory, then in a file of limited size, then counted only.
//!
//! The flow's thread never waits for the server here.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::timestamp;

/// Lines in one request, at most.
pub(super) const BATCH_LINES: usize = 500;
/// Bytes of messages in one request, about.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of one message; Prefect's own clients cut there too.
const MESSAGE_BYTES: usize = 1 << 20;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Python's number: 10 for debug, 20 for information, 30 for warnings, 40 for errors.
    pub level: u8,
    /// Who says it: a module's path.
    pub name: String,
    /// What is said.
    pub message: String,
    /// When: microseconds since 1970, later than the line before.
    pub micros: u64,
}

/// How much may wait for the server.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes in memory.
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
    /// Told when a batch is full.
    pub(super) full: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    room: Room,
    memory: VecDeque<Line>,
    bytes: usize,
    spill: Option<Spill>,
    /// Lines dropped since the file became full.
    dropped: u64,
    last: u64,
    said: u64,
    left: u64,
}

impl Lines {
    /// An empty log.
    pub fn new(room: Room) -> Self {
        let lines = Self::default();
        lines.lock().room = room;
        lines
    }

    /// Takes a line in; costs the flow's thread microseconds, whatever the server does.
    pub fn push(&self, level: u8, name: &str, message: String) {
        let message = presentable(message);
        let mut waiting = self.lock();
        // The server sorts by time: no two lines have the same.
        let micros = timestamp::now().max(waiting.last + 1);
        waiting.last = micros;
        waiting.said += 1;
        waiting.left += 1;
        waiting.take_in(Line {
            level,
            name: name.to_owned(),
            message,
            micros,
        });
        let full = waiting.memory.len() >= BATCH_LINES && waiting.memory.len().is_multiple_of(BATCH_LINES);
        drop(waiting);
        if full {
            self.full.notify_one();
        }
    }

    /// The next lines to send, in order; empty where none waits.
    pub fn batch(&self) -> Vec<Line> {
        let mut waiting = self.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
            let Some(line) = waiting.next() else { break };
            bytes += line.message.len();
            batch.push(line);
        }
        batch
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
    fn take_in(&mut self, line: Line) {
        let size = line.name.len() + line.message.len() + size_of::<Line>();
        if self.spill.is_none() && self.bytes + size <= self.room.memory {
            self.bytes += size;
            self.memory.push_back(line);
            return;
        }
        // From here on everything goes through the file until that is empty, or the order would be lost.
        if self.spill.is_none() {
            self.spill = Spill::new().ok();
        }
        let limit = self.room.file;
        let written = match &mut self.spill {
            Some(spill) if self.dropped == 0 => spill.write(&line, limit),
            _ => false,
        };
        if !written {
            self.dropped += 1;
        }
    }

    fn next(&mut self) -> Option<Line> {
        if let Some(line) = self.memory.pop_front() {
            self.bytes = self
                .bytes
                .saturating_sub(line.name.len() + line.message.len() + size_of::<Line>());
            return Some(line);
        }
        if let Some(line) = self.spill.as_mut().and_then(Spill::read) {
            return Some(line);
        }
        self.spill = None;
        let dropped = std::mem::take(&mut self.dropped);
        // In their place comes the one line that counts them.
        self.left = (self.left + u64::from(dropped > 0)).saturating_sub(dropped);
        (dropped > 0).then(|| Line {
            level: 30,
            name: "flowimage.log".to_owned(),
            message: format!(
                "{dropped} lines of the log were dropped here: the server did not take them quickly enough; the \
                 container's own output has them"
            ),
            micros: self.last,
        })
    }
}

/// Without NUL, which PostgreSQL does not store, and no longer than the server's clients send.
fn presentable(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        let mut end = MESSAGE_BYTES;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    if message.contains('\0') {
        message = message.replace('\0', "");
    }
    message
}

/// Lines in a file without a name, which goes with the process.
#[derive(Debug)]
struct Spill {
    file: File,
    written: u64,
    read: u64,
    buffer: VecDeque<Line>,
}

impl Spill {
    /// Bytes read at a time.
    const CHUNK: usize = 256 << 10;

    fn new() -> io::Result<Self> {
        let home = || std::env::var_os("HOME").map(tempfile::tempfile_in);
        let file = tempfile::tempfile().or_else(|error| home().unwrap_or(Err(error)))?;
        Ok(Self {
            file,
            written: 0,
            read: 0,
            buffer: VecDeque::new(),
        })
    }

    /// Whether there was room, on the disk too.
    fn write(&mut self, line: &Line, limit: u64) -> bool {
        let Ok(mut bytes) = serde_json::to_vec(line) else {
            return false;
        };
        bytes.push(b'\n');
        if self.written + bytes.len() as u64 > limit || self.file.write_all_at(&bytes, self.written).is_err()
        {
            return false;
        }
        self.written += bytes.len() as u64;
        true
    }

    fn read(&mut self) -> Option<Line> {
        if self.buffer.is_empty() {
            self.fill().ok()?;
        }
        self.buffer.pop_front()
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut size = Self::CHUNK;
        loop {
            let there = usize::try_from(self.written - self.read)
                .unwrap_or(usize::MAX)
                .min(size);
            let mut bytes = vec![0; there];
            self.file.read_exact_at(&mut bytes, self.read)?;
            // A line longer than the chunk needs a larger one.
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                if there < size {
                    return Ok(());
                }
                size *= 2;
                continue;
            };
            let lines = bytes[..end].split(|byte| *byte == b'\n');
            self.buffer
                .extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
            self.read += end as u64 + 1;
            return Ok(());
        }
    }
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
            assert!(batch.is_sorted_by(|a, b| a.micros < b.micros));
            all.extend(batch.into_iter().map(|line| line.message));
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
                expected.push(message.clone());
                lines.push(20, "a::b", message);
            }
            // Some are taken while more come.
            if round == 0 {
                let first = lines.batch();
                assert!(
                    expected
                        .iter()
                        .zip(&first)
                        .all(|(text, line)| *text == line.message)
                );
                expected.drain(..first.len());
            }
        }
        assert_eq!(all(&lines), expected);
        lines.push(20, "a", "after".to_owned());
        assert_eq!(all(&lines), ["after"]);
    }

    #[test]
    fn what_no_room_is_left_for_is_counted_in_its_place() {
        let lines = Lines::new(Room {
            memory: 300,
            file: 400,
        });
        for number in 0..100 {
            lines.push(20, "a", format!("line {number:04}"));
        }
        let got = all(&lines);
        let kept = got.len() - 1;
        assert!(kept > 5 && kept < 99, "{kept}");
        assert_eq!(got[kept - 1], format!("line {:04}", kept - 1));
        assert!(got[kept].starts_with(&format!("{} lines of the log were dropped", 100 - kept)));
        lines.push(20, "a", "after".to_owned());
        assert_eq!(all(&lines), ["after"]);
    }

    #[test]
    fn messages_are_cut_and_lose_their_nul() {
        let lines = Lines::default();
        lines.push(20, "a", "a\0b".to_owned());
        lines.push(20, "a", "é".repeat(MESSAGE_BYTES));
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
        lines.push(20, "a", long.clone());
        lines.push(20, "a", "short".to_owned());
        assert_eq!(all(&lines), [long, "short".to_owned()]);
    }
}
