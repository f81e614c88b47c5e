//! Health checks: does the image hold what the flow needs, and does the flow load in it?
//!
//! What reading can prove is proved by reading: the layers' entries, without unpacking them. What must run, runs in
//! one container, in which the flow binary tells what it sees. All is judged out here.

mod account;
pub(crate) mod inside;
pub(crate) mod layer;
mod outside;
mod probe;
mod probes;
pub(crate) mod protocol;
mod ran;
mod root;
mod seen;
mod subject;

use serde::Serialize;

use crate::failure::{Failure, Stage};
use crate::project::Project;
use crate::session::Session;
use crate::words::visible;
use probe::{PROBES, Probe};
pub(crate) use ran::Ran;

pub use subject::{Held, Subject};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Pass,
    /// Worth a look, no obstacle.
    Warn,
    /// The image is not healthy.
    Fail,
    /// It did not run, for the reason given.
    Skip,
}

/// One check and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// What to do; empty where nothing is.
    pub advice: String,
}

impl Check {
    fn new(name: &str, status: Status, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            status,
            detail: visible(&detail.into()),
            advice: String::new(),
        }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = visible(&advice.into());
        self
    }
}

/// The name of the check without which nothing is pushed.
pub const LOADS: &str = "the flow loads";

const BEFORE: &str = "the checks before it failed";

/// Runs the health checks of a flow on an image, in their order.
///
/// # Errors
/// The image cannot be read. An image that is not healthy is an outcome, and no error.
pub async fn check(
    subject: &Subject<'_>,
    session: &Session,
    project: &Project,
) -> Result<Vec<Check>, Failure> {
    let seen = subject.see(session, project).await?;
    let declaration = seen.declaration();
    let (mut proved, mut obstacle) = (Vec::new(), false);
    let applying = || PROBES.iter().filter(|probe| probe.applies(&seen));
    let skipped = |probe: &dyn Probe| {
        let skipped = &declaration.skip_health_checks;
        skipped.iter().any(|name| name.as_str() == probe.name())
    };
    for probe in applying() {
        let checks = if skipped(*probe) {
            vec![Check::new(probe.name(), Status::Skip, "by `skip_health_checks`")]
        } else if obstacle && probe.comes_first() {
            vec![Check::new(probe.name(), Status::Skip, BEFORE)]
        } else {
            probe.prove(&seen)
        };
        obstacle |= probe.comes_first() && checks.iter().any(|check| check.status == Status::Fail);
        proved.push((probe, checks));
    }
    let tasks = applying().filter(|probe| !skipped(**probe));
    let tasks = tasks.flat_map(|probe| probe.tasks(&seen)).collect();
    let ran = match obstacle {
        true => Ran::Not {
            status: Status::Skip,
            detail: BEFORE.to_owned(),
            advice: String::new(),
        },
        false => outside::run(subject, &seen, tasks, session, project).await?,
    };
    let mut all = Vec::new();
    for (probe, mut checks) in proved {
        // One outcome a probe: what reading has refused, the run cannot mend.
        if checks.is_empty() {
            checks = probe.judge(&seen, &ran);
        }
        all.extend(checks);
    }
    Ok(all)
}

/// The failure that unhealthy checks are, if one is.
pub fn unhealthy(checks: &[Check]) -> Option<Failure> {
    let failed = checks.iter().find(|check| check.status == Status::Fail)?;
    Some(Failure {
        stage: Stage::Check,
        message: format!("{}: {}", failed.name, failed.detail),
        advice: Some(failed.advice.clone()).filter(|advice| !advice.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_image_give_the_terminal_no_orders() {
        let check = Check::new("files", Status::Fail, "\u{1b}[2Jé\r").advice("a\nb\u{9b}");
        assert_eq!(
            (check.detail.as_str(), check.advice.as_str()),
            ("\\u{1b}[2Jé\\r", "a\nb\\u{9b}")
        );
    }
}
