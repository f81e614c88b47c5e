//! The flow's health checks in Rust, each in a process of its own.

use serde_json::Value;

use super::super::probe::Probe;
use super::super::protocol::{CHECK_COMMAND, Task};
use super::super::ran::{Ran, last_words};
use super::super::seen::Seen;
use super::super::{Check, Status};
use crate::health::{Known, of_flow};

pub(crate) struct Rust;

const NAME: &str = "Rust health check";
const SECONDS: u64 = 30;

impl Probe for Rust {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !of_flow(seen.unit.entry.name).is_empty()
    }

    fn tasks(&self, seen: &Seen<'_>) -> Vec<Task> {
        let flow = seen.unit.entry.name;
        of_flow(flow)
            .iter()
            .map(|check| Task {
                id: id(check),
                argv: ["", CHECK_COMMAND, flow, &check.id].map(str::to_owned).into(),
                seconds: SECONDS,
            })
            .collect()
    }

    fn judge(&self, seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        let checks = of_flow(seen.unit.entry.name);
        checks.iter().map(|check| judge(check, ran)).collect()
    }
}

fn id(check: &Known) -> String {
    format!("{NAME} {}", check.id)
}

fn judge(check: &Known, ran: &Ran) -> Check {
    let name = format!("{NAME}: {}", check.shown);
    let (status, end) = match ran.exited(&name, &id(check), SECONDS) {
        Ok(exited) => exited,
        Err(check) => return check,
    };
    if let Ran::Once(run) = ran
        && let Some(flow) = run.loaded_flow()
        && !flow.health_checks.contains(&check.id)
    {
        return Check::new(
            &name,
            Status::Fail,
            "the program in the image has no such health check",
        )
        .advice("build the program again, and give `--binary` the one that was built from this source");
    }
    // The verdict is the last line; a function may print what it likes before.
    let verdict = end.stdout.lines().next_back();
    let verdict = verdict.and_then(|line| serde_json::from_str::<Value>(line).ok());
    let text = |key: &str| Some(verdict.as_ref()?.get(key)?.as_str()?.to_owned());
    match (status, text("unhealthy")) {
        (0, None) if verdict.is_some() => Check::new(&name, Status::Pass, "healthy"),
        (_, Some(message)) => {
            Check::new(&name, Status::Fail, message).advice(text("advice").unwrap_or_default())
        }
        (status, None) => Check::new(
            &name,
            Status::Fail,
            format!("exit status {status}{}", last_words(end)),
        )
        .advice("a health check returns what is wrong instead of panicking"),
    }
}
