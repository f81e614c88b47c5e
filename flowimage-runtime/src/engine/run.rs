//! Running one command in a locked-down container of an image.

use std::collections::BTreeMap;
use std::time::Duration;

/// What to run, and what it may use.
///
/// Whatever is asked: all capabilities are dropped, privileges cannot be gained, stdin is empty, the image's
/// own `HEALTHCHECK` does not run, nothing is logged to the engine's disk.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Name or ID of the image.
    pub image: String,
    /// Instead of the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Instead of the image's command.
    pub command: Option<Vec<String>>,
    /// Variables to add to the image's.
    pub env: BTreeMap<String, String>,
    /// Instead of the image's user.
    pub user: Option<String>,
    /// Instead of the image's working directory.
    pub working_directory: Option<String>,
    /// Labels to add to flowimage's own.
    pub labels: BTreeMap<String, String>,
    /// Whether the container sees the engine's default network; `false` leaves only its own loopback.
    pub network: bool,
    /// What becomes of writes to the root file system.
    pub root: Root,
    /// What it may use.
    pub limits: Limits,
}

impl RunRequest {
    /// The image as it would run, with the usual [`Limits`], no network and a read-only root.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            entrypoint: None,
            command: None,
            env: BTreeMap::new(),
            user: None,
            working_directory: None,
            labels: BTreeMap::new(),
            network: false,
            root: Root::ReadOnly,
            limits: Limits::default(),
        }
    }
}

/// What becomes of writes to the root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// They fail; `/tmp` and `/dev/shm` can be written.
    ReadOnly,
    /// They are thrown away with the container. Their size is not limited by every engine.
    ThrowAway,
}

/// Limits of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Wall time from start to exit.
    pub time: Duration,
    /// Bytes of memory; there is no swap.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Processors' worth of time, such as `1.5`.
    pub cpus: f64,
    /// Bytes of the memory-backed `/tmp`.
    pub tmp: u64,
    /// Bytes kept of each output stream: the first half and the last half of it.
    pub output: usize,
    /// Bytes of output at which the run is ended as a flood.
    pub flood: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            time: Duration::from_secs(60),
            memory: 512 * MIB,
            pids: 256,
            cpus: 2.0,
            tmp: 64 * MIB,
            output: 64 << 10,
            flood: 16 * MIB,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The command ended by itself (128 + signal when a signal ended it).
    Exited(i64),
    /// The kernel ended it for its memory. Podman 4 does not say so: there it is `Exited(137)`.
    OutOfMemory,
    /// It ran longer than [`Limits::time`] and was killed.
    TimedOut,
    /// It wrote more than [`Limits::flood`] and was killed.
    Flooded,
    /// It never ran: the engine's words, such as a missing entrypoint.
    NotStarted(String),
}

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// How it ended.
    pub ended: Ended,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// From before the container was made until it was seen to have ended.
    pub duration: Duration,
    /// The engine's words about limits that it cannot enforce.
    pub warnings: Vec<String>,
}

impl RunOutcome {
    /// Whether the command ran and said it did well.
    pub fn succeeded(&self) -> bool {
        self.ended == Ended::Exited(0)
    }
}

/// Output kept within bounds: its first bytes and its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    half: usize,
    seen: u64,
}

impl Captured {
    /// Nothing yet, of which `limit` bytes will be kept.
    pub fn new(limit: usize) -> Self {
        Self {
            half: limit / 2,
            ..Self::default()
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        let room = self.half - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// Whether bytes were left out in the middle.
    pub fn truncated(&self) -> bool {
        self.seen > (self.head.len() + self.tail.len()) as u64
    }

    /// The number of bytes there were.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The bytes kept, without a mark where some were left out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend(&self.tail);
        bytes
    }

    /// The output as text, with a line that says how much was left out.
    pub fn text(&self) -> String {
        let bytes = self.bytes();
        if !self.truncated() {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let (head, tail) = bytes.split_at(self.head.len());
        let missing = self.seen - bytes.len() as u64;
        format!(
            "{}\n… {missing} bytes left out …\n{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(tail)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_first_and_last_bytes_in_any_chunking() {
        let all: Vec<u8> = (0..1000u32).map(|n| b'a' + (n % 26) as u8).collect();
        for chunk in [1, 7, 64, 999, 1000] {
            let mut captured = Captured::new(100);
            all.chunks(chunk).for_each(|bytes| captured.push(bytes));
            assert_eq!(
                captured.bytes(),
                [&all[..50], &all[950..]].concat(),
                "chunks of {chunk}"
            );
            assert!(captured.truncated() && captured.seen() == 1000);
            assert!(captured.text().contains("900 bytes left out"));
        }
    }

    #[test]
    fn short_output_is_whole() {
        let mut captured = Captured::new(100);
        captured.push(&[b'x'; 60]);
        captured.push(&[b'y'; 40]);
        assert!(!captured.truncated());
        assert_eq!(captured.text().len(), 100);
    }
}
