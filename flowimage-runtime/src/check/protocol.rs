//! What the checks outside and the flow binary inside the image say to each other.
//!
//! The plan goes in as an argument. What happened comes back as lines on standard output, each marked with a number
//! used once, so that nothing that was printed beforehand passes for an answer. Lines tell what was seen; what it
//! means is judged outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The hidden command of a flow binary that carries out a [`Plan`].
pub(crate) const COMMAND: &str = "__probe";

/// The hidden command that runs one Rust health check: flow, and the function's path.
pub(crate) const CHECK_COMMAND: &str = "__health-check";

/// What is to be seen inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Marks the lines of the answer.
    pub(crate) mark: String,
    /// Names of variables whose values are asked for.
    pub(crate) variables: Vec<String>,
    /// Programs to run, one after the other.
    pub(crate) tasks: Vec<Task>,
    /// Processes and threads at which a program is ended as one that forks without end.
    pub(crate) processes: usize,
    /// Bytes of memory at which a program with all it started is ended, where nothing else limits them together.
    pub(crate) memory: Option<u64>,
}

/// One program to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Tells tasks apart.
    pub(crate) id: String,
    /// Program and arguments; an empty program is the flow binary itself.
    pub(crate) argv: Vec<String>,
    /// After so many seconds it is ended.
    pub(crate) seconds: u64,
}

/// A line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The flow binary was loaded.
    Loaded(Loaded),
    /// A task was begun.
    Begun(String),
    /// A task ended.
    Ended(TaskEnd),
    /// All tasks were carried out.
    Done,
}

/// What the flow binary says of one of its flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadedFlow {
    /// Hash of its declaration.
    pub(crate) declaration: String,
    /// Paths of its Rust health checks.
    pub(crate) health_checks: Vec<String>,
}

/// What the flow binary says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loaded {
    /// The flows it has, by name.
    pub(crate) flows: BTreeMap<String, LoadedFlow>,
    /// The variables asked for, as the process sees them.
    pub(crate) variables: BTreeMap<String, String>,
}

/// How a task ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskEnd {
    pub(crate) id: String,
    pub(crate) how: How,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Exited(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// The kernel ended it for its memory.
    OutOfMemory,
    TimedOut,
    /// It wrote without end.
    Flooded,
    /// It started processes without end.
    Forked,
    /// The system's words.
    NotStarted(String),
}

impl Line {
    /// The line as it is written.
    pub(crate) fn write(&self, mark: &str) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("flowimage {mark} {text}\n")
    }
}

/// The lines of an answer; everything else is passed over.
pub(crate) fn read(output: &[u8], mark: &str) -> Vec<Line> {
    let start = format!("flowimage {mark} ");
    String::from_utf8_lossy(output)
        .lines()
        .filter_map(|line| {
            // A program that does not end its last line would hide ours.
            let at = line.find(&start)?;
            serde_json::from_str(&line[at + start.len()..]).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_lines_are_read() {
        let begun = Line::Begun("a\nb".to_owned());
        let output = format!(
            "hello\nflowimage other {{\"begun\":\"x\"}}\nno end{}flowimage m {{]\n{}",
            begun.write("m"),
            Line::Done.write("m")
        );
        assert_eq!(read(output.as_bytes(), "m"), [begun, Line::Done]);
    }
}
