//! A flow that runs for a Prefect server, and reports for itself: states, log, heartbeats, tasks, a summary.
//!
//! The process's first thread reports; the flow has a thread of its own and never waits for the server.

mod lines;
mod page;
mod sender;
mod spill;
mod state;
mod subscriber;
mod summary;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub use lines::{Lines, Room};
pub use page::{Line, Page};
pub use sender::send_all;
pub use state::{FlowRun, Kind, State, Verdict};
pub use subscriber::{Print, install, layer, send_to};

use super::TAG;
use super::client::Client;
use super::error::PrefectError;
use super::settings::Settings;
use crate::flow::{FlowContext, FlowEntry};
use crate::run::{self, Outcome, Reason, Stop};
use crate::timestamp;
use summary::Summary;
use tasks::Tasks;

/// How long the server may be away at the beginning and, above all, at the end of a run.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the log and the tasks' states may go without getting on before the run ends without them.
const PATIENCE_LOG: Duration = Duration::from_secs(60);
/// Between two looks at whether the run was cancelled.
const LOOK: Duration = Duration::from_secs(2);
/// Between two heartbeats, unless Prefect's own setting says otherwise.
const BEAT: Duration = Duration::from_secs(30);

/// The run that a worker started this process for.
#[derive(Debug)]
pub struct Reporter {
    run: Arc<FlowRun>,
    beat: Duration,
}

/// How a run ended, and whether the server knows.
#[derive(Debug)]
pub struct Reported {
    /// How it ended.
    pub outcome: Outcome,
    /// Why the server does not know.
    pub untold: Option<PrefectError>,
    /// Lines of the log that the server did not get.
    pub lost_lines: u64,
}

impl Reporter {
    /// Reads what a worker puts into the environment; `None` where this process runs for nobody.
    ///
    /// # Errors
    /// A run, but no usable server.
    pub fn from_env(look_up: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, PrefectError> {
        let id = look_up("PREFECT__FLOW_RUN_ID").filter(|id| !id.is_empty());
        let (Some(id), Some(settings)) = (id, Settings::from_env(&look_up)?) else {
            return Ok(None);
        };
        let Ok(id) = id.parse::<Uuid>() else {
            return Err(PrefectError::NotToBegin(format!(
                "PREFECT__FLOW_RUN_ID is `{id}`, which is no id of a run"
            )));
        };
        let beat = look_up("PREFECT_FLOWS_HEARTBEAT_FREQUENCY")
            .and_then(|seconds| seconds.parse().ok())
            .filter(|seconds| *seconds > 0)
            .map_or(BEAT, Duration::from_secs);
        Ok(Some(Self {
            run: Arc::new(FlowRun {
                client: Client::new(settings)?,
                id: id.to_string(),
            }),
            beat,
        }))
    }

    /// Runs a flow with the run's parameters and tells the server how it fares. `given` are parameters that the run's
    /// own stand above.
    ///
    /// # Errors
    /// The run is not this process's to begin, or the server does not answer; the flow has not begun.
    pub async fn run(
        &self,
        entry: &'static FlowEntry,
        given: Map<String, Value>,
        stop: &Stop,
    ) -> Result<Reported, PrefectError> {
        subscriber::silence_this_thread();
        let began = Instant::now();
        let found = self.begin(stop).await?;
        let mut parameters = given;
        parameters.extend(found["parameters"].as_object().cloned().unwrap_or_default());

        let lines = Arc::new(Lines::new(Room::default()));
        subscriber::send_to(Arc::clone(&lines));
        let (closing, closed) = watch::channel(false);
        let sending = tokio::spawn(send_all(
            Arc::clone(&self.run),
            Arc::clone(&lines),
            closed,
            PATIENCE_LOG,
        ));
        let (sender, mut reports) = mpsc::unbounded_channel();
        let tasks = Arc::new(Tasks::new(sender));
        let run = Arc::clone(&self.run);
        let telling = tokio::spawn(async move { tasks::tell(&run, &mut reports).await });
        let looking = tokio::spawn(look(Arc::clone(&self.run), stop.clone()));
        let beating = tokio::spawn(beat(Arc::clone(&self.run), self.beat, related(&found)));

        let mut attempts = 0;
        let (outcome, verdict) = loop {
            attempts += 1;
            let context = FlowContext {
                flow: entry.name.to_owned(),
                observer: Some(Arc::clone(&tasks) as Arc<_>),
            };
            let outcome = run::attempt(entry, Value::Object(parameters.clone()), context, stop).await;
            let outcome = self.settle(outcome).await;
            say(&lines, &outcome);
            let stopped = matches!(outcome, Outcome::Stopped(_));
            if !stopped {
                // Who waits for the state finds the tasks' states and the whole log.
                let _ = tokio::time::timeout(PATIENCE_LOG, tasks.told()).await;
                drained(&lines, PATIENCE_LOG, &sending).await;
            }
            match self.conclude(&outcome, stop).await {
                Ok(Concluded::Again) => {}
                Ok(Concluded::As(outcome)) => break (outcome, None),
                Err(error) => break (outcome, Some(error)),
            }
        };
        looking.abort();
        beating.abort();
        let ended = tasks.ended();
        telling.abort();
        if !matches!(outcome, Outcome::Stopped(_)) {
            let summary = Summary {
                flow: entry.name,
                outcome: &outcome,
                attempts,
                took: began.elapsed(),
                lines: lines.said(),
                tasks: &ended,
            };
            let artifact = summary.artifact(&self.run.id);
            let _ = self
                .run
                .client
                .post("/artifacts/", &artifact, Duration::from_secs(10))
                .await;
        }
        let _ = closing.send(true);
        let lost_lines = sending.await.unwrap_or_default();
        Ok(Reported {
            outcome,
            untold: verdict,
            lost_lines,
        })
    }

    /// Looks whether the run waits to be begun, and begins it.
    async fn begin(&self, stop: &Stop) -> Result<Value, PrefectError> {
        let found = self.run.read(PATIENCE).await?;
        let state = State::read(&found["state"]);
        if state.kind.is_final() || state.kind == Kind::Running {
            return Err(PrefectError::NotToBegin(format!(
                "it is {} already, and a run is begun once",
                state.name
            )));
        }
        self.propose_running(stop).await?;
        Ok(found)
    }

    /// Proposes Running until the server agrees: it may want the run to wait.
    async fn propose_running(&self, stop: &Stop) -> Result<(), PrefectError> {
        loop {
            let proposal = self.run.propose(Kind::Running, None, PATIENCE);
            let verdict = tokio::select! {
                verdict = proposal => verdict?,
                reason = stop.requested() => return Err(self.stopped_waiting(reason).await),
            };
            let state = match verdict {
                Verdict::Accepted => return Ok(()),
                Verdict::Aborted(reason) => return Err(PrefectError::NotToBegin(reason)),
                Verdict::Rejected(state) => state,
            };
            match state.kind {
                Kind::Scheduled | Kind::Pending => tokio::time::sleep(Duration::from_secs(1)).await,
                Kind::Cancelling => return Err(self.stopped_waiting(Reason::Cancelled).await),
                _ => {
                    return Err(PrefectError::NotToBegin(format!(
                        "the server says it is {}",
                        state.name
                    )));
                }
            }
        }
    }

    async fn stopped_waiting(&self, reason: Reason) -> PrefectError {
        let (kind, message) = ending(&Outcome::Stopped(reason));
        let _ = self
            .run
            .propose(kind, message.as_deref(), Duration::from_secs(10))
            .await;
        PrefectError::NotToBegin("it was stopped before it began".to_owned())
    }

    /// A process pool's worker cancels with a signal: then the run's state says why.
    async fn settle(&self, outcome: Outcome) -> Outcome {
        if outcome != Outcome::Stopped(Reason::Terminated) {
            return outcome;
        }
        match self
            .run
            .read(Duration::from_secs(5))
            .await
            .map(|run| State::read(&run["state"]).kind)
        {
            Ok(Kind::Cancelling | Kind::Cancelled) => Outcome::Stopped(Reason::Cancelled),
            _ => outcome,
        }
    }

    /// Proposes the final state. The server may want another try instead.
    async fn conclude(&self, outcome: &Outcome, stop: &Stop) -> Result<Concluded, PrefectError> {
        if *outcome == Outcome::Stopped(Reason::Superseded) {
            return Ok(Concluded::As(outcome.clone()));
        }
        let (kind, message) = ending(outcome);
        let state = match self.run.propose(kind, message.as_deref(), PATIENCE).await? {
            Verdict::Accepted => return Ok(Concluded::As(outcome.clone())),
            Verdict::Aborted(_) => return Ok(Concluded::As(Outcome::Stopped(Reason::Superseded))),
            Verdict::Rejected(state) => state,
        };
        match state.kind {
            Kind::Cancelling => {
                self.run.propose(Kind::Cancelled, None, PATIENCE).await?;
                Ok(Concluded::As(Outcome::Stopped(Reason::Cancelled)))
            }
            Kind::Scheduled => {
                self.propose_running(stop).await?;
                Ok(Concluded::Again)
            }
            _ => Ok(Concluded::As(Outcome::Stopped(Reason::Superseded))),
        }
    }
}

/// What the server made of a final state.
enum Concluded {
    As(Outcome),
    Again,
}

/// The final state of an outcome, and its message.
fn ending(outcome: &Outcome) -> (Kind, Option<String>) {
    match outcome {
        Outcome::Completed(_) => (Kind::Completed, None),
        Outcome::Failed(error) => (Kind::Failed, Some(error.to_string())),
        Outcome::Unfit(error) => (Kind::Failed, Some(format!("the parameters do not fit: {error}"))),
        Outcome::Crashed(what) => (Kind::Crashed, Some(what.clone())),
        Outcome::Stopped(Reason::Terminated) => (Kind::Crashed, Some("terminated by a signal".to_owned())),
        Outcome::Stopped(Reason::Cancelled | Reason::Superseded) => (Kind::Cancelled, None),
    }
}

/// A failure's causes, one line each, at the end of the log.
fn say(lines: &Lines, outcome: &Outcome) {
    const NAME: &str = "flowimage";
    match outcome {
        Outcome::Failed(error) => {
            for (depth, message) in error.chain.iter().enumerate() {
                let before = if depth == 0 {
                    "the flow failed: "
                } else {
                    "because: "
                };
                lines.push(40, NAME, &format!("{before}{message}"));
            }
        }
        Outcome::Unfit(error) => lines.push(40, NAME, &format!("the parameters do not fit: {error}")),
        Outcome::Crashed(what) => lines.push(50, NAME, &format!("the flow crashed: {what}")),
        Outcome::Stopped(Reason::Cancelled) => lines.push(20, NAME, "the run was cancelled"),
        Outcome::Stopped(Reason::Terminated) => lines.push(50, NAME, "terminated by a signal"),
        Outcome::Stopped(Reason::Superseded) | Outcome::Completed(_) => {}
    }
}

/// Waits until the log is sent, as long as that gets on.
async fn drained(lines: &Lines, patience: Duration, sending: &tokio::task::JoinHandle<u64>) {
    lines.full.notify_one();
    let mut left = lines.left();
    let mut until = Instant::now() + patience;
    while left > 0 && Instant::now() < until && !sending.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = lines.left();
        if now < left {
            until = Instant::now() + patience;
        }
        left = now;
    }
}

/// Looks from time to time whether the run was cancelled, or ended elsewhere.
async fn look(run: Arc<FlowRun>, stop: Stop) {
    loop {
        tokio::time::sleep(LOOK).await;
        // No answer: the flow goes on.
        let Ok(found) = run.read(Duration::ZERO).await else {
            continue;
        };
        match State::read(&found["state"]).kind {
            Kind::Cancelling | Kind::Cancelled => stop.request(Reason::Cancelled),
            kind if kind.is_final() => stop.request(Reason::Superseded),
            _ => continue,
        }
        return;
    }
}

/// What the watchdog and the server's pages know the run's events by.
fn related(run: &Value) -> Value {
    let mut related = vec![json!({
        "prefect.resource.id": format!("prefect.tag.{TAG}"),
        "prefect.resource.role": "tag",
    })];
    for (role, key) in [("flow", "flow_id"), ("deployment", "deployment_id")] {
        if let Some(id) = run[key].as_str() {
            related.push(json!({
                "prefect.resource.id": format!("prefect.{role}.{id}"),
                "prefect.resource.role": role,
            }));
        }
    }
    Value::Array(related)
}

/// Tells the server from time to time that the run lives.
async fn beat(run: Arc<FlowRun>, pause: Duration, related: Value) {
    loop {
        let event = json!([{
            "id": Uuid::new_v4(),
            "occurred": timestamp::micros(timestamp::now()),
            "event": "prefect.flow-run.heartbeat",
            "resource": { "prefect.resource.id": format!("prefect.flow-run.{}", run.id) },
            "related": related,
            "payload": {},
        }]);
        let _ = run.client.post("/events", &event, Duration::ZERO).await;
        tokio::time::sleep(pause).await;
    }
}
