//! Running one command in a locked-down container of an image.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::captured::Captured;

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
    /// They are thrown away with the container, which is ended at [`Limits::root`].
    ThrowAway,
}

/// Limits of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Wall time from start to exit.
    pub time: Duration,
    /// Wall time from start to the first output, where that has a limit of its own.
    pub first_output: Option<Duration>,
    /// Bytes of memory; there is no swap.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Processors' worth of time, such as `1.5`.
    pub cpus: f64,
    /// Bytes of the memory-backed `/tmp`.
    pub tmp: u64,
    /// Bytes of one file, and of all that is written to a throw-away root; the sum is looked at twice a second.
    pub root: u64,
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
            first_output: None,
            memory: 512 * MIB,
            pids: 256,
            cpus: 2.0,
            tmp: 64 * MIB,
            root: 256 * MIB,
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
    /// It ran longer than [`Limits::time`], or was silent longer than [`Limits::first_output`], and was killed.
    TimedOut,
    /// It wrote more than [`Limits::flood`] and was killed.
    Flooded,
    /// It wrote more than [`Limits::root`] and was killed.
    DiskFull,
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
