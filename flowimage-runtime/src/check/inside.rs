//! What the flow binary does inside the image when it is asked for its health: it says what it is, and runs
//! programs one after the other, each within its limits.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions};

use super::protocol::{How, Line, Loaded, LoadedFlow, Plan, Task, TaskEnd};
use crate::captured::Captured;
use crate::flow::FlowUnit;

/// Bytes kept of each output of a task.
const OUTPUT: usize = 8 << 10;

/// Bytes of output at which a task is ended.
const FLOOD: u64 = 4 << 20;

/// How often a running task is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Carries out a plan. What cannot be written has no reader any more: then it ends.
pub(crate) fn carry_out(plan: &Plan, flows: &[FlowUnit], out: &mut dyn Write) -> std::io::Result<()> {
    let mut tell = |line: Line| {
        out.write_all(line.write(&plan.mark).as_bytes())?;
        out.flush()
    };
    tell(Line::Loaded(loaded(plan, flows)))?;
    // Processes that a task leaves behind become our children, and can be ended.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    for task in &plan.tasks {
        tell(Line::Begun(task.id.clone()))?;
        tell(Line::Ended(attend(task, plan)))?;
    }
    tell(Line::Done)
}

fn loaded(plan: &Plan, flows: &[FlowUnit]) -> Loaded {
    let of_flow = |unit: &FlowUnit| {
        let checks = crate::health::of_flow(unit.entry.name);
        LoadedFlow {
            declaration: unit.declaration_hash().to_string(),
            health_checks: checks.iter().map(|check| check.id.clone()).collect(),
        }
    };
    Loaded {
        flows: flows
            .iter()
            .map(|unit| (unit.entry.name.to_owned(), of_flow(unit)))
            .collect(),
        variables: plan
            .variables
            .iter()
            .filter_map(|name| Some((name.clone(), env::var(name).ok()?)))
            .collect(),
    }
}

/// A program at work, and what it has written.
struct Attended {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

/// Runs a task to its end or its limits. Nothing of it is left afterwards.
fn attend(task: &Task, plan: &Plan) -> TaskEnd {
    let mut attended = match start(task) {
        Ok(child) => Attended {
            child,
            stdout: Captured::new(OUTPUT),
            stderr: Captured::new(OUTPUT),
        },
        Err(error) => {
            return TaskEnd {
                id: task.id.clone(),
                how: How::NotStarted(error.to_string()),
                stdout: String::new(),
                stderr: String::new(),
            };
        }
    };
    // Where memory ends, the kernel is to end the program and not us.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", attended.child.id()), "1000");
    let (killed_before, refused_before) = (out_of_memory_kills(), refused_processes());
    let how = attended.watch(Duration::from_secs(task.seconds), plan);
    end_all(&mut attended.child);
    attended.read(Duration::ZERO);
    let how = match how {
        How::Signal(9) if out_of_memory_kills() > killed_before => How::OutOfMemory,
        // A shell says of its killed child what it would say of its own end.
        How::Exited(137) if out_of_memory_kills() > killed_before => How::OutOfMemory,
        // Between two looks it came to the container's own limit, and gave up.
        How::Exited(1..) | How::Signal(_) if refused_processes() > refused_before => How::Forked,
        how => how,
    };
    TaskEnd {
        id: task.id.clone(),
        how,
        stdout: attended.stdout.text(),
        stderr: attended.stderr.text(),
    }
}

fn start(task: &Task) -> std::io::Result<Child> {
    let (program, arguments) = task.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let program = match program.as_str() {
        "" => env::current_exe()?,
        name => name.into(),
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

impl Attended {
    fn watch(&mut self, limit: Duration, plan: &Plan) -> How {
        let end = Instant::now() + limit;
        loop {
            self.read(LOOK);
            match self.child.try_wait() {
                Ok(Some(status)) => return ended(status),
                Ok(None) => {}
                Err(error) => return How::NotStarted(error.to_string()),
            }
            if self.stdout.seen() + self.stderr.seen() > FLOOD {
                return How::Flooded;
            }
            let descendants = descendants();
            if processes(&descendants) > plan.processes {
                return How::Forked;
            }
            if plan.memory.is_some_and(|limit| memory(&descendants) > limit) {
                return How::OutOfMemory;
            }
            if Instant::now() >= end {
                return How::TimedOut;
            }
        }
    }

    /// Takes what there is to read, waiting for it so long.
    fn read(&mut self, wait: Duration) {
        let mut wait = wait;
        loop {
            let mut progress = false;
            let mut open = Vec::new();
            if let Some(stream) = &self.child.stdout {
                open.push(PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN));
            }
            if let Some(stream) = &self.child.stderr {
                open.push(PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN));
            }
            if open.is_empty() {
                std::thread::sleep(wait);
                return;
            }
            let time = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(wait.subsec_nanos()),
            };
            if !poll(&mut open, Some(&time)).is_ok_and(|ready| ready > 0) {
                return;
            }
            let ready: Vec<bool> = open.iter().map(|fd| !fd.revents().is_empty()).collect();
            let mut ready = ready.into_iter();
            if self.child.stdout.is_some() && ready.next() == Some(true) {
                progress |= take(&mut self.child.stdout, &mut self.stdout);
            }
            if self.child.stderr.is_some() && ready.next() == Some(true) {
                progress |= take(&mut self.child.stderr, &mut self.stderr);
            }
            if !progress || self.stdout.seen() + self.stderr.seen() > FLOOD {
                return;
            }
            wait = Duration::ZERO;
        }
    }
}

/// Reads once from a stream that is ready; a stream at its end is closed. Whether anything was done.
fn take<S: Read>(stream: &mut Option<S>, captured: &mut Captured) -> bool {
    let mut buffer = [0; 16 << 10];
    match stream.as_mut().map(|stream| stream.read(&mut buffer)) {
        Some(Ok(read @ 1..)) => captured.push(&buffer[..read]),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
        _ => *stream = None,
    }
    true
}

fn ended(status: ExitStatus) -> How {
    match (status.code(), status.signal()) {
        (Some(code), _) => How::Exited(code),
        (None, signal) => How::Signal(signal.unwrap_or_default()),
    }
}

/// Ends a program, its group and everything it left behind. Only what descends from us is touched.
fn end_all(child: &mut Child) {
    let group = Pid::from_child(child);
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    // Something that forks while it is being ended takes a few rounds.
    for _ in 0..200 {
        let left = descendants();
        for pid in &left {
            if let Some(pid) = Pid::from_raw(*pid) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many processes these are, each with its threads.
fn processes(pids: &[i32]) -> usize {
    pids.iter()
        .map(|pid| fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count))
        .sum()
}

/// Bytes of memory that these processes have and do not share.
///
/// Source: proc(5), `/proc/PID/statm`: pages in memory, then those of them that are shared.
fn memory(pids: &[i32]) -> u64 {
    let pages = |pid: &i32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let mut fields = text
            .split(' ')
            .skip(1)
            .map_while(|field| field.parse::<u64>().ok());
        fields.next()?.checked_sub(fields.next()?)
    };
    pids.iter().filter_map(pages).sum::<u64>() * rustix::param::page_size() as u64
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// All processes that descend from this one.
fn descendants() -> Vec<i32> {
    let parents: Vec<(i32, i32)> = pids().filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut found = vec![rustix::process::getpid().as_raw_nonzero().get()];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// The parent in `/proc/PID/stat`, whose second field is a name with anything in it, in parentheses.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = String::from_utf8_lossy(&stat[end + 1..]).into_owned();
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// How often the kernel has ended a process of this container for its memory, by either version of control groups.
fn out_of_memory_kills() -> u64 {
    events(
        "oom_kill",
        &[
            "/sys/fs/cgroup/memory.events",
            "/sys/fs/cgroup/memory/memory.oom_control",
        ],
    )
}

/// How often the kernel has refused this container a process, by either version of control groups.
fn refused_processes() -> u64 {
    events(
        "max",
        &["/sys/fs/cgroup/pids.events", "/sys/fs/cgroup/pids/pids.events"],
    )
}

/// The number after a word, in those of the kernel's files that are there.
fn events(word: &str, files: &[&str]) -> u64 {
    files
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .filter_map(|text| {
            text.lines().find_map(|line| {
                line.strip_prefix(word)?
                    .strip_prefix(' ')?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_past_any_name() {
        assert_eq!(
            parent_of(i32::try_from(std::process::id()).unwrap()),
            Some(i32::try_from(std::os::unix::process::parent_id()).unwrap())
        );
    }
}
