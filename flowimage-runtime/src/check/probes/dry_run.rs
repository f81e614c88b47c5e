//! The flow itself runs once, with sample parameters.

use super::super::probe::Probe;
use super::super::protocol::Task;
use super::super::ran::{Ran, last_words};
use super::super::seen::Seen;
use super::super::{Check, Status};

pub(crate) struct DryRun;

const NAME: &str = "dry run";
const SECONDS: u64 = 300;

impl Probe for DryRun {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        seen.declaration().dry_run.is_some()
    }

    fn tasks(&self, seen: &Seen<'_>) -> Vec<Task> {
        let mut argv = ["", "run", seen.unit.entry.name].map(str::to_owned).to_vec();
        for (name, value) in seen.declaration().dry_run.iter().flatten() {
            argv.push("--param".to_owned());
            argv.push(format!("{name}={value}"));
        }
        vec![Task {
            id: NAME.to_owned(),
            argv,
            seconds: SECONDS,
        }]
    }

    fn judge(&self, _seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        let (status, end) = match ran.exited(NAME, NAME, SECONDS) {
            Ok(exited) => exited,
            Err(check) => return vec![check],
        };
        vec![match status {
            0 => Check::new(NAME, Status::Pass, "the flow ran"),
            2 => Check::new(
                NAME,
                Status::Fail,
                format!("the flow did not start{}", last_words(end)),
            )
            .advice("make `dry_run` fit the flow's parameters"),
            status => Check::new(NAME, Status::Fail, format!("exit status {status}{}", words(end)))
                .advice("run the flow in the image with these parameters to see why"),
        }]
    }
}

/// The error and its causes, rather than the last line alone.
fn words(end: &super::super::protocol::TaskEnd) -> String {
    let error = end.stderr.find("error: ").map(|at| end.stderr[at..].trim());
    let error = error.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    error.map_or_else(
        || last_words(end),
        |text| format!(": {}", text.chars().take(300).collect::<String>()),
    )
}
