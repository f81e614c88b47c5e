//! Running a flow: on a thread of its own, so that whoever watches the run can go on while the flow works.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use crate::flow::{FlowContext, FlowEntry, FlowError};

/// How long a flow that is asked to stop may go on, where it does not wait for anything.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// How a flow's run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With a result.
    Completed(Value),
    /// With an error.
    Failed(FlowError),
    /// Its parameters are none of this flow's; it never began.
    Unfit(String),
    /// It panicked, or could not be started.
    Crashed(String),
    /// It was asked to stop.
    Stopped(Reason),
}

/// Why a flow is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody cancelled the run.
    Cancelled,
    /// This process was told to end (SIGTERM, SIGINT).
    Terminated,
    /// The run ended elsewhere: its state is a final one already.
    Superseded,
}

/// Asks a flow to stop. The first reason stays.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<Option<Reason>>, Notify)>);

impl Stop {
    /// Asks for it.
    pub fn request(&self, reason: Reason) {
        let mut asked = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert(reason);
        self.0.1.notify_waiters();
    }

    /// Why it was asked for, if it was.
    pub fn asked(&self) -> Option<Reason> {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is asked for.
    pub async fn requested(&self) -> Reason {
        loop {
            // Before the look: a request in between wakes it.
            let notified = self.0.1.notified();
            if let Some(reason) = self.asked() {
                return reason;
            }
            notified.await;
        }
    }
}

/// Runs a flow once.
///
/// An async flow that is asked to stop is dropped where it waits. One that does not wait is left behind: it ends with
/// the process, which the caller is expected to end.
pub async fn attempt(
    entry: &'static FlowEntry,
    parameters: Value,
    context: FlowContext,
    stop: &Stop,
) -> Outcome {
    let (sender, ended) = oneshot::channel();
    let asked = stop.clone();
    let flow = std::thread::Builder::new()
        .name(entry.name.to_owned())
        .spawn(move || {
            let outcome = on_this_thread(entry, parameters, &context, &asked);
            let _ = sender.send(outcome);
        });
    let flow = match flow {
        Ok(flow) => flow,
        Err(error) => return Outcome::Crashed(format!("no thread can be started: {error}")),
    };
    let ended = async {
        match ended.await {
            Ok(outcome) => outcome,
            // It went without a word.
            Err(_) => Outcome::Crashed(match flow.join() {
                Ok(()) => "the flow's thread ended".to_owned(),
                Err(panic) => format!("panicked: {}", words(&*panic)),
            }),
        }
    };
    tokio::pin!(ended);
    tokio::select! {
        outcome = &mut ended => outcome,
        reason = stop.requested() => {
            let stopped = tokio::time::timeout(GRACE, ended).await;
            stopped.unwrap_or(Outcome::Stopped(reason))
        }
    }
}

fn on_this_thread(entry: &FlowEntry, parameters: Value, context: &FlowContext, stop: &Stop) -> Outcome {
    let exec = entry.exec();
    let running = match entry.start(parameters.clone(), context) {
        Ok(running) if exec.is_empty() => running,
        // The function's parameters were held against the program's; the function itself is not run.
        Ok(_) => Box::pin(crate::exec::run(&exec, parameters, stop)),
        Err(error) => return Outcome::Unfit(error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Crashed(format!("no threads can be started: {error}")),
    };
    runtime.block_on(async {
        tokio::select! {
            ended = running => match ended {
                Ok(value) => Outcome::Completed(value),
                Err(error) => match stop.asked().filter(|_| !exec.is_empty()) {
                    // It ended so because it was told to.
                    Some(reason) => Outcome::Stopped(reason),
                    None => Outcome::Failed(error),
                },
            },
            // A program is told itself, and ends in its own way.
            reason = stop.requested(), if exec.is_empty() => Outcome::Stopped(reason),
        }
    })
}

/// A panic's message.
fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Stops the flow when this process is told to end.
///
/// # Errors
/// Signals cannot be listened for.
pub async fn stop_on_signals(stop: Stop) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.request(Reason::Terminated);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Running;
    use crate::given::Given;

    fn entry(run: fn(Given, &FlowContext) -> Result<Running<'_>, String>) -> &'static FlowEntry {
        Box::leak(Box::new(FlowEntry {
            name: "f",
            declaration: "",
            dockerfile: "",
            package: "",
            repository: "",
            crate_folder: "",
            dockerfile_path: "",
            optimized: false,
            settings: 0,
            parameters: crate::parameters::Parameters {
                fields: &[],
                open: false,
                whole: |_| None,
            },
            run,
        }))
    }

    async fn outcome(run: fn(Given, &FlowContext) -> Result<Running<'_>, String>, stop: &Stop) -> Outcome {
        attempt(entry(run), Value::Null, FlowContext::new("f"), stop).await
    }

    #[tokio::test]
    async fn every_end_is_told_apart() {
        let stop = Stop::default();
        let done = outcome(|_, _| Ok(Box::pin(async { Ok(Value::from(1)) })), &stop).await;
        assert_eq!(done, Outcome::Completed(Value::from(1)));
        let failed = FlowError {
            chain: vec!["a".into(), "b".into()],
        };
        let ended = outcome(
            |_, _| {
                Ok(Box::pin(async {
                    Err(FlowError {
                        chain: vec!["a".into(), "b".into()],
                    })
                }))
            },
            &stop,
        );
        assert_eq!(ended.await, Outcome::Failed(failed));
        assert_eq!(
            outcome(|_, _| Err("no".to_owned()), &stop).await,
            Outcome::Unfit("no".to_owned())
        );
        let panicked = outcome(|_, _| Ok(Box::pin(async { panic!("out of {}", "luck") })), &stop).await;
        assert_eq!(panicked, Outcome::Crashed("panicked: out of luck".to_owned()));
    }

    #[tokio::test]
    async fn a_flow_stops_where_it_waits_and_is_left_where_it_does_not() {
        for run in [
            (|_, _| Ok(Box::pin(std::future::pending()) as Running<'_>)) as fn(Given, &FlowContext) -> _,
            |_, _| {
                Ok(Box::pin(async {
                    std::thread::sleep(Duration::from_secs(3600));
                    Ok(Value::Null)
                }) as Running<'_>)
            },
        ] {
            let stop = Stop::default();
            let asked = stop.clone();
            let (ended, ()) = tokio::join!(
                outcome(run, &stop),
                async move { asked.request(Reason::Cancelled) }
            );
            assert_eq!(ended, Outcome::Stopped(Reason::Cancelled));
        }
    }
}
