//! The author's own commands end with status 0.

use super::super::probe::Probe;
use super::super::protocol::Task;
use super::super::ran::{Ran, last_words};
use super::super::seen::Seen;
use super::super::{Check, Status};

pub(crate) struct HealthChecks;

const NAME: &str = "health_checks";
const SECONDS: u64 = 30;

impl Probe for HealthChecks {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().health_checks.is_empty()
    }

    fn tasks(&self, seen: &Seen<'_>) -> Vec<Task> {
        let commands = seen.declaration().health_checks.iter().enumerate();
        commands
            .map(|(number, argv)| Task {
                id: id(number),
                argv: argv.clone(),
                seconds: SECONDS,
            })
            .collect()
    }

    fn judge(&self, seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        let commands = seen.declaration().health_checks.iter().enumerate();
        commands.map(|(number, argv)| judge(number, argv, ran)).collect()
    }
}

fn id(number: usize) -> String {
    format!("{NAME} {number}")
}

fn judge(number: usize, argv: &[String], ran: &Ran) -> Check {
    let name = format!("{NAME}: {}", argv.join(" "));
    let (status, end) = match ran.exited(&name, &id(number), SECONDS) {
        Ok(exited) => exited,
        Err(check) => return check,
    };
    if status == 0 {
        return Check::new(&name, Status::Pass, "exit status 0");
    }
    let words = last_words(end);
    let advice = if words.contains("No space left on device") {
        "health checks may write 64 MiB to /tmp: write less, or clean up in between"
    } else if words.contains("Read-only file system") || words.contains("Permission denied") {
        "the flow's user may not do that: look at the owner and mode of what it touches"
    } else if words.contains("Temporary failure in name resolution")
        || words.contains("Network is unreachable")
    {
        "health checks see no network, unless health_checks_network = true"
    } else {
        "run it in the image to see why"
    };
    Check::new(&name, Status::Fail, format!("exit status {status}{words}")).advice(advice)
}
