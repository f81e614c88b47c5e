//! The command `run`: a flow here and now, by hand, as an image's entrypoint, or for a worker.

use std::io::Write;

use serde_json::{Map, Value};

use super::{DONE, FAILED, USAGE, Usage};
use crate::flow::{FlowContext, FlowUnit};
use crate::run::{self, Outcome, Reason, Stop};

/// Runs a flow. By hand its result goes to `out` as JSON, and what it logs to standard error; for a server the log
/// goes to standard output.
pub(super) fn run(
    unit: &FlowUnit,
    parameters: Vec<(String, Value)>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    // The flow has threads of its own: this one waits, and reports.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Usage(format!("no run can be started: {error}")))?;
    let status = runtime.block_on(supervise(unit, parameters.into_iter().collect(), out, err));
    // A flow that did not stop when asked to must not hold this process.
    runtime.shutdown_background();
    Ok(status)
}

async fn supervise(
    unit: &FlowUnit,
    parameters: Map<String, Value>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let stop = Stop::default();
    tokio::spawn(run::stop_on_signals(stop.clone()));
    #[cfg(feature = "prefect")]
    match crate::prefect::report::Reporter::from_env(|name| std::env::var(name).ok()) {
        Ok(None) => crate::prefect::report::install(crate::prefect::report::Print::Stderr),
        Ok(Some(reporter)) => return reported(unit, parameters, &reporter, &stop, out, err).await,
        Err(error) => return complain(&error, err),
    }
    let context = FlowContext::new(unit.entry.name);
    let outcome = run::attempt(unit.entry, Value::Object(parameters), context, &stop).await;
    tell(unit, &outcome, out, err)
}

#[cfg(feature = "prefect")]
async fn reported(
    unit: &FlowUnit,
    parameters: Map<String, Value>,
    reporter: &crate::prefect::report::Reporter,
    stop: &Stop,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    crate::prefect::report::install(crate::prefect::report::Print::Stdout);
    let reported = match reporter.run(unit.entry, parameters, stop).await {
        Ok(reported) => reported,
        Err(error) => return complain(&error, err),
    };
    let status = tell(unit, &reported.outcome, out, err);
    if reported.lost_lines > 0 {
        let _ = writeln!(
            err,
            "warning: the server did not take {} lines of the log",
            reported.lost_lines
        );
    }
    match reported.untold {
        // The worker sees the status, and tells the server in this process's place.
        Some(error) => complain(&error, err),
        None => status,
    }
}

#[cfg(feature = "prefect")]
fn complain(error: &impl crate::Advise, err: &mut dyn Write) -> u8 {
    use crate::failure::{Failure, Stage};
    super::report::complain(&Failure::new(Stage::Register, error), err)
}

/// Says how a run ended. Returns the exit status.
fn tell(unit: &FlowUnit, outcome: &Outcome, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match outcome {
        Outcome::Completed(value) => {
            if !value.is_null() {
                let _ = writeln!(out, "{value}");
            }
            DONE
        }
        Outcome::Failed(error) => {
            let mut chain = error.chain.iter();
            let first = chain.next().map_or("the flow failed", String::as_str);
            let _ = writeln!(err, "error: {first}");
            for cause in chain {
                let _ = writeln!(err, "  because: {cause}");
            }
            FAILED
        }
        Outcome::Unfit(error) => {
            let _ = writeln!(
                err,
                "error: the parameters of `{}` do not fit: {error}",
                unit.entry.name
            );
            USAGE
        }
        Outcome::Crashed(what) => {
            let _ = writeln!(err, "error: the flow crashed: {what}");
            FAILED
        }
        Outcome::Stopped(reason) => {
            let _ = writeln!(
                err,
                "error: {}",
                match reason {
                    Reason::Cancelled => "the run was cancelled",
                    Reason::Terminated => "the run was stopped by a signal",
                    Reason::Superseded => "the run had ended already, by the server's word",
                }
            );
            FAILED
        }
    }
}
