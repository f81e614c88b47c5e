//! What came of running the image once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::protocol::{How, Line, Loaded, LoadedFlow, TaskEnd, read};
use super::{Check, Status};

/// The outcome of the run, as the probes see it.
#[derive(Clone, Debug)]
pub(crate) enum Ran {
    /// There was no run: what is said of every check that needs one.
    Not {
        status: Status,
        detail: String,
        advice: String,
    },
    /// There was one.
    Once(Run),
}

/// One run of the image.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The flow that the image is checked for.
    flow: String,
    /// What the flow binary said of itself; `None` where it never came to that.
    pub(crate) loaded: Option<Loaded>,
    /// Tasks that ended.
    ends: BTreeMap<String, TaskEnd>,
    /// The task that was at work when the run ended.
    cut: Option<String>,
    /// Why the run ended before all was done.
    pub(crate) end: RunEnd,
    /// Where it ran, for people.
    pub(crate) place: String,
    /// What was written to standard error.
    pub(crate) stderr: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "engine"),
    allow(dead_code, reason = "a sandbox does not tell them all")
)]
pub(crate) enum RunEnd {
    Exited(i64),
    OutOfMemory,
    TimedOut(Duration),
    Flooded,
    DiskFull(u64),
    NotStarted(String),
    Signal,
}

impl RunEnd {
    /// The reason in words.
    pub(crate) fn reason(&self) -> String {
        match self {
            RunEnd::Exited(code) => exit_words(*code),
            RunEnd::OutOfMemory => "it was killed for its memory".to_owned(),
            RunEnd::TimedOut(limit) => format!("no answer within {} s", limit.as_secs()),
            RunEnd::Flooded => "it was killed for its flood of output".to_owned(),
            RunEnd::DiskFull(limit) => format!("it was killed for writing more than {} MiB", limit >> 20),
            RunEnd::NotStarted(reason) => format!("it could not be started: {reason}"),
            RunEnd::Signal => "it was killed by a signal".to_owned(),
        }
    }
}

fn exit_words(code: i64) -> String {
    match code {
        129..=192 => format!("it was killed by {}", signal_name((code - 128) as i32)),
        code => format!("exit status {code}"),
    }
}

/// The usual name of a signal.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        25 => "SIGXFSZ (it wrote a file larger than health checks may)",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

impl Run {
    pub(crate) fn new(
        flow: &str,
        output: &[u8],
        stderr: String,
        mark: &str,
        end: RunEnd,
        place: String,
    ) -> Self {
        let (mut loaded, mut ends, mut cut) = (None, BTreeMap::new(), None);
        for line in read(output, mark) {
            match line {
                Line::Loaded(said) => loaded = Some(said),
                Line::Begun(id) => cut = Some(id),
                Line::Ended(end) => {
                    cut = None;
                    ends.insert(end.id.clone(), end);
                }
                Line::Done => cut = None,
            }
        }
        Self {
            flow: flow.to_owned(),
            loaded,
            ends,
            cut,
            end,
            place,
            stderr,
        }
    }

    /// The same for another flow: the program speaks for all of its.
    pub(crate) fn for_flow(self, flow: &str) -> Self {
        let flow = flow.to_owned();
        Self { flow, ..self }
    }

    /// What the flow binary said of the flow; `None` where it does not have it, or said nothing.
    pub(crate) fn loaded_flow(&self) -> Option<&LoadedFlow> {
        self.loaded.as_ref()?.flows.get(&self.flow)
    }
}

impl Ran {
    pub(crate) fn loaded(&self) -> Option<&Loaded> {
        match self {
            Ran::Once(run) => run.loaded.as_ref(),
            Ran::Not { .. } => None,
        }
    }

    /// How a task ended by itself: with an exit status. Otherwise the check that says what happened in its stead.
    pub(crate) fn exited(&self, name: &str, id: &str, seconds: u64) -> Result<(i32, &TaskEnd), Check> {
        let run = match self {
            Ran::Not {
                status,
                detail,
                advice,
            } => return Err(Check::new(name, *status, detail.clone()).advice(advice.clone())),
            Ran::Once(run) => run,
        };
        if run.loaded.is_some() && run.loaded_flow().is_none() {
            return Err(Check::new(name, Status::Skip, "the flow did not load"));
        }
        let failed =
            |detail: String, advice: &str| Err(Check::new(name, Status::Fail, detail).advice(advice));
        let Some(end) = run.ends.get(id) else {
            if run.cut.as_deref() == Some(id) {
                return failed(
                    run.end.reason(),
                    "it took the whole container down: run it alone to see why",
                );
            }
            // What took the container down is refused already. Where nothing is, an answer is missing, and what was
            // not seen does not pass.
            return match run.cut.is_some() || run.loaded.is_none() {
                true => Err(Check::new(name, Status::Skip, "the container ended before it")),
                false => failed(
                    format!("there is no answer: {}", run.end.reason()),
                    "run the command again; if that does not help, run it in the image to see what ends the container",
                ),
            };
        };
        match &end.how {
            How::Exited(code @ 129..=192) => failed(
                format!("{}{}", exit_words(i64::from(*code)), last_words(end)),
                "run it in the image to see where it crashes",
            ),
            How::Exited(code) => Ok((*code, end)),
            How::Signal(signal) => failed(
                format!("it was killed by {}{}", signal_name(*signal), last_words(end)),
                "run it in the image to see where it crashes",
            ),
            How::OutOfMemory => failed(
                "it was killed for its memory".to_owned(),
                "health checks have 512 MiB: make it need less, or leave it out",
            ),
            How::TimedOut => failed(
                format!("it did not end within {seconds} s{}", last_words(end)),
                "give it a time limit of its own, and look at what it waits for: health checks see no network",
            ),
            How::Flooded => failed(
                "it was ended for its flood of output".to_owned(),
                "make it say less: health checks may write 4 MiB",
            ),
            How::Forked => failed(
                format!(
                    "it was ended for starting processes without end{}",
                    last_words(end)
                ),
                "health checks have 200 processes and threads: look for what starts itself again",
            ),
            How::NotStarted(reason) => failed(
                format!("it could not be started: {reason}"),
                "check that it is in the image, on PATH, and that the user may run it",
            ),
        }
    }
}

/// The end of what a task said, in front of which goes `: `.
pub(crate) fn last_words(end: &TaskEnd) -> String {
    let said = [&end.stderr, &end.stdout]
        .into_iter()
        .find_map(|text| text.lines().rev().find(|line| !line.trim().is_empty()));
    said.map_or_else(String::new, |line| {
        let line: String = line.trim().chars().take(300).collect();
        format!(": {line}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[Line]) -> Ran {
        let output: String = lines.iter().map(|line| line.write("m")).collect();
        let end = RunEnd::Exited(0);
        Ran::Once(Run::new(
            "it",
            output.as_bytes(),
            String::new(),
            "m",
            end,
            "here".to_owned(),
        ))
    }

    fn status(ran: &Ran, id: &str) -> Option<Status> {
        ran.exited("check", id, 1).err().map(|check| check.status)
    }

    #[test]
    fn a_missing_answer_is_a_failure() {
        let loaded = Line::Loaded(Loaded {
            flows: BTreeMap::from([("it".to_owned(), LoadedFlow::default())]),
            ..Loaded::default()
        });
        let ended = Line::Ended(TaskEnd {
            id: "a".to_owned(),
            how: How::Exited(0),
            stdout: String::new(),
            stderr: String::new(),
        });
        let whole = [loaded.clone(), Line::Begun("a".to_owned()), ended, Line::Done];
        assert_eq!(status(&of(&whole), "a"), None);
        assert_eq!(status(&of(&whole), "b"), Some(Status::Fail));
        assert_eq!(status(&of(&whole[..3]), "b"), Some(Status::Fail));
        // The culprit fails, and what came after it was not tried.
        let cut = of(&whole[..2]);
        assert_eq!(status(&cut, "a"), Some(Status::Fail));
        assert_eq!(status(&cut, "b"), Some(Status::Skip));
        assert_eq!(status(&of(&[]), "a"), Some(Status::Skip));
    }
}
