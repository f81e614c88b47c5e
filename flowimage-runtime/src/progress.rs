//! What happens while flows are worked on, told to whoever shows it. Nothing here prints.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Something that happened to one flow, or to an environment while that flow waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A stage began.
    Stage {
        /// `build`, `check`, `publish` or `register`.
        stage: &'static str,
    },
    /// A base image is coming into the engine.
    Pull {
        /// The image.
        image: String,
        /// Bytes that arrived.
        done: u64,
        /// Bytes in all, of the layers that are known so far.
        total: u64,
    },
    /// An environment was found, and nothing is built for it.
    Found {
        /// The beginning of its identity.
        environment: String,
        /// Where: `here` or a repository.
        place: String,
    },
    /// An environment was published beside the images.
    Shared {
        /// The beginning of its identity.
        environment: String,
        /// The image's name.
        place: String,
    },
    /// The engine begins to build an environment.
    Building {
        /// The beginning of its identity.
        environment: String,
        /// The key that needs the engine.
        key: &'static str,
    },
    /// A step of the build began.
    Step {
        /// The instruction.
        name: String,
        /// Its number, from 1.
        index: Option<u32>,
        /// The number of steps.
        total: Option<u32>,
    },
    /// A step of the build ended well.
    StepDone {
        /// The instruction.
        name: String,
        /// Whether an earlier result was used.
        cached: bool,
        /// How long it took, in milliseconds.
        milliseconds: u64,
    },
    /// A line that a step wrote.
    Output {
        /// The line.
        line: String,
    },
    /// Bytes of the build context that were sent so far.
    Context {
        /// The number.
        bytes: u64,
    },
    /// The engine built an environment.
    Built {
        /// The beginning of its identity.
        environment: String,
        /// How long it took, in milliseconds.
        milliseconds: u64,
    },
    /// An environment's layers were taken out of the engine.
    TakenOut {
        /// The number of layers that were not here yet.
        layers: usize,
        /// How long it took, in milliseconds.
        milliseconds: u64,
    },
}

/// Who is told of events, with the name of the flow. Called from any thread; it must not wait.
#[derive(Clone)]
pub struct Progress(Arc<Listener>);

/// Takes the name of a flow and what happened to it.
type Listener = dyn Fn(&str, Event) + Send + Sync;

impl Progress {
    /// Tells this function.
    pub fn new(tell: impl Fn(&str, Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells an event of a flow.
    pub fn tell(&self, flow: &str, event: Event) {
        (self.0)(flow, event);
    }
}

impl Default for Progress {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(|_, _| {})
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// Whole milliseconds.
#[cfg(feature = "engine")]
pub(crate) fn milliseconds(duration: std::time::Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
