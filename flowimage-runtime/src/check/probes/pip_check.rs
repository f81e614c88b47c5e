//! `pip check`: what is installed fits together.

use super::super::probe::Probe;
use super::super::protocol::Task;
use super::super::ran::{Ran, last_words};
use super::super::seen::Seen;
use super::super::{Check, Status};
use super::python::interpreter;

pub(crate) struct PipCheck;

const NAME: &str = "pip check";
const SECONDS: u64 = 120;

impl Probe for PipCheck {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().python_dependencies.is_empty()
    }

    fn tasks(&self, seen: &Seen<'_>) -> Vec<Task> {
        let argv = [
            interpreter(seen),
            "-m",
            "pip",
            "--no-cache-dir",
            "--disable-pip-version-check",
            "check",
        ];
        vec![Task {
            id: NAME.to_owned(),
            argv: argv.map(str::to_owned).into(),
            seconds: SECONDS,
        }]
    }

    fn judge(&self, _seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        let (status, end) = match ran.exited(NAME, NAME, SECONDS) {
            Ok(exited) => exited,
            Err(check) => return vec![check],
        };
        if status == 0 {
            return vec![Check::new(NAME, Status::Pass, "clean")];
        }
        if end.stderr.contains("No module named pip") {
            return vec![Check::new(NAME, Status::Skip, "the image's Python has no pip")];
        }
        let conflicts: Vec<&str> = end
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        if conflicts.is_empty() {
            let detail = format!("exit status {status}{}", last_words(end));
            return vec![Check::new(NAME, Status::Fail, detail).advice("run `pip check` in the image")];
        }
        vec![
            Check::new(NAME, Status::Fail, conflicts.join("; "))
                .advice("change python_dependencies so that the versions fit each other"),
        ]
    }
}
