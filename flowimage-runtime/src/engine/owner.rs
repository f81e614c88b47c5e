//! Who made a container, so that what a dead process left can be told from what a living one uses.

use std::fs;
use std::time::Duration;

/// A container of another machine or process namespace is taken for abandoned at this age: nobody here can
/// ask whether its owner lives, and no run is allowed to last that long.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// `<pid>-<start time>` of this process; the start time tells it from a later process with the same number.
pub(super) fn this_process() -> String {
    let pid = std::process::id();
    format!("{pid}-{}", start_time(pid).unwrap_or(0))
}

/// Where process numbers mean what they mean here: the boot of the machine, and the process namespace.
pub(super) fn this_host() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}/{}", boot.trim(), namespace.display())
}

/// Whether the owner of a container is known to be gone.
///
/// Units: `age` since the container was made.
pub(super) fn is_gone(owner: &str, host: &str, age: Duration) -> bool {
    if host != this_host() || host == "/" {
        return age > ABANDONED_AFTER;
    }
    let Some((pid, started)) = owner.split_once('-') else {
        return age > ABANDONED_AFTER;
    };
    match (pid.parse::<u32>(), started.parse::<u64>()) {
        (Ok(pid), Ok(started)) => start_time(pid) != Some(started),
        _ => age > ABANDONED_AFTER,
    }
}

/// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot; the name in field 2 may hold spaces and brackets.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_number_alone_is_not_enough() {
        let host = this_host();
        let owner = this_process();
        assert!(!is_gone(&owner, &host, Duration::MAX));
        let (pid, started) = owner.split_once('-').unwrap();
        let later = format!("{pid}-{}", started.parse::<u64>().unwrap() + 1);
        assert!(is_gone(&later, &host, Duration::ZERO));
        assert!(is_gone("4194304-1", &host, Duration::ZERO));
    }

    #[test]
    fn other_machines_are_judged_by_age() {
        assert!(!is_gone("1-1", "other/pid:[1]", Duration::from_secs(3600)));
        assert!(is_gone(
            "1-1",
            "other/pid:[1]",
            Duration::from_secs(2 * 24 * 3600)
        ));
    }
}
