//! A command's time, and what it took.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// What a command took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) seconds: f64,
    /// Bytes given to it by reads of all kinds. It counts for what it starts and waits for, too.
    pub(crate) read: u64,
    pub(crate) written: u64,
    /// Bytes: the most that one of its processes had in memory at once.
    pub(crate) memory: u64,
}

/// Runs a command to its good end.
pub(crate) fn timed(command: &mut Command) -> Ran {
    let started = Instant::now();
    let output = command.output().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    Ran {
        seconds,
        ..Ran::default()
    }
}

/// The same, watched: not to be timed.
pub(crate) fn watched(command: &mut Command) -> Ran {
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    let mut memory = 0;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let id = WaitId::Pid(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap());
    while waitid(id.clone(), options).unwrap().is_none() {
        memory = memory.max(most_memory(pid));
        std::thread::sleep(Duration::from_millis(1));
    }
    // It has ended and is not waited for: its account can still be read.
    let account = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    let field = |name| number(&account, name).unwrap_or_default();
    Ran {
        seconds: 0.0,
        read: field("rchar:"),
        written: field("wchar:"),
        memory,
    }
}

/// Of a process and its children.
fn most_memory(pid: u32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = children
        .split_whitespace()
        .map(str::to_owned)
        .chain([pid.to_string()]);
    pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .filter_map(|status| number(&status, "VmHWM:"))
        .max()
        .unwrap_or_default()
        * 1024
}

fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
