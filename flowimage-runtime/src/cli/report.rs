//! What people and machines are told of each flow.

use std::io::Write;

use serde_json::json;

use super::FAILED;
use crate::check::{Check, Status};
use crate::failure::Failure;
use crate::flow::FlowUnit;
use crate::pipeline::{Done, Stopped};

/// How outcomes are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    json: bool,
    quiet: bool,
}

impl Report {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    pub(super) fn done(self, unit: &FlowUnit, done: &Done, out: &mut dyn Write, err: &mut dyn Write) {
        if self.json {
            let mut line = json!({
                "flow": unit.entry.name,
                "status": done.status,
                "image": done.image,
                "digest": done.digest,
                "image_id": done.image_id,
                "checks": done.checks,
            });
            if done.verified {
                line["verified"] = json!(true);
            }
            if let Some(name) = &done.loaded {
                line["loaded"] = json!(name);
            }
            #[cfg(feature = "prefect")]
            if let Some(deployed) = &done.deployed {
                line["deployment"] = deployment(deployed);
            }
            let _ = writeln!(out, "{line}");
        } else if !self.quiet {
            let _ = writeln!(
                err,
                "{:<10}  {:<24}  {}",
                done.status, unit.entry.name, done.digest
            );
            if done.verified {
                let _ = writeln!(err, "  verified: a second build gave the same bytes");
            }
            if let Some(name) = &done.loaded {
                let _ = writeln!(err, "  in the engine as {name}");
            }
            checks(&done.checks, err);
            #[cfg(feature = "prefect")]
            if let Some(deployed) = &done.deployed {
                say_deployed(deployed, err);
            }
        }
    }

    pub(super) fn failed(self, unit: &FlowUnit, stopped: &Stopped, out: &mut dyn Write, err: &mut dyn Write) {
        let failure = &stopped.failure;
        if self.json {
            let line = json!({
                "flow": unit.entry.name,
                "status": "failed",
                "image": null,
                "digest": null,
                "image_id": null,
                "checks": stopped.checks,
                "error": error(failure),
            });
            let _ = writeln!(out, "{line}");
            return;
        }
        let _ = writeln!(
            err,
            "{:<10}  {:<24}  {}",
            "failed",
            unit.entry.name,
            failure.stage.word()
        );
        checks(&stopped.checks, err);
        let _ = writeln!(err, "  error: {}", failure.message);
        if let Some(advice) = &failure.advice {
            let _ = writeln!(err, "  advice: {advice}");
        }
    }
}

/// A failure as JSON.
pub(super) fn error(failure: &Failure) -> serde_json::Value {
    json!({
        "stage": failure.stage.word(),
        "message": failure.message,
        "advice": failure.advice,
    })
}

/// Says a failure that is no single flow's. Returns the exit status.
pub(super) fn complain(failure: &Failure, err: &mut dyn Write) -> u8 {
    let _ = writeln!(err, "error: {}", failure.message);
    if let Some(advice) = &failure.advice {
        let _ = writeln!(err, "  advice: {advice}");
    }
    FAILED
}

#[cfg(feature = "prefect")]
fn deployment(deployed: &crate::prefect::Deployed) -> serde_json::Value {
    let changes: Vec<_> = deployed.changes.iter().map(|change| &change.field).collect();
    json!({
        "name": deployed.name,
        "id": deployed.id,
        "page": deployed.page,
        "created": deployed.created,
        "changed": changes,
        "warnings": deployed.warnings,
    })
}

#[cfg(feature = "prefect")]
fn say_deployed(deployed: &crate::prefect::Deployed, err: &mut dyn Write) {
    let word = match (deployed.created, deployed.changes.is_empty()) {
        (true, _) => "created",
        (false, true) => "as it was",
        (false, false) => "updated",
    };
    let _ = writeln!(err, "  deployment {} {word}: {}", deployed.name, deployed.page);
    for change in &deployed.changes {
        let _ = writeln!(
            err,
            "    {}: {} -> {}",
            change.field,
            short(&change.was),
            short(&change.is)
        );
    }
    for warning in &deployed.warnings {
        let _ = writeln!(err, "    warning: {warning}");
    }
}

/// A value on one line, not too long.
#[cfg(feature = "prefect")]
fn short(value: &serde_json::Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn checks(checks: &[Check], err: &mut dyn Write) {
    for check in checks {
        let word = match check.status {
            Status::Pass => "pass",
            Status::Warn => "warn",
            Status::Fail => "fail",
            Status::Skip => "skip",
        };
        let _ = writeln!(err, "  {word}  {:<24}  {}", check.name, check.detail);
        if !check.advice.is_empty() {
            let _ = writeln!(err, "        {}", check.advice);
        }
    }
}
