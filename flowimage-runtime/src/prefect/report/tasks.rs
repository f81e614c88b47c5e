//! Task runs: what a flow's tasks do, told to the server in order and behind the flow's back.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::state::FlowRun;
use crate::task::{Observer, TaskState};
use crate::timestamp;

/// How long one report may wait for the server before the next is tried.
const PATIENCE: Duration = Duration::from_secs(300);

/// Something a task did.
#[derive(Debug)]
pub(super) enum Report {
    /// It is there.
    Created { id: Uuid, name: String, number: u64 },
    /// It has this state.
    State { id: Uuid, state: TaskState },
    /// Everything before was told.
    Told(oneshot::Sender<()>),
}

/// Hands what tasks do on to the reporter; counts how they ended.
#[derive(Debug)]
pub(super) struct Tasks {
    reports: UnboundedSender<Report>,
    ids: Mutex<BTreeMap<u64, (Uuid, String)>>,
    names: Mutex<BTreeMap<String, u64>>,
    next: AtomicU64,
    /// The tasks by name, with their last state's word.
    ended: Mutex<Vec<(String, &'static str)>>,
}

impl Tasks {
    pub(super) fn new(reports: UnboundedSender<Report>) -> Self {
        Self {
            reports,
            ids: Mutex::default(),
            names: Mutex::default(),
            next: AtomicU64::new(0),
            ended: Mutex::default(),
        }
    }

    /// Waits until the server was told all that tasks did so far.
    pub(super) async fn told(&self) {
        let (sender, told) = oneshot::channel();
        let _ = self.reports.send(Report::Told(sender));
        let _ = told.await;
    }

    /// How tasks ended, in the order of their ends.
    pub(super) fn ended(&self) -> Vec<(String, &'static str)> {
        lock(&self.ended).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Observer for Tasks {
    fn task_created(&self, name: &str) -> u64 {
        let task = self.next.fetch_add(1, Ordering::Relaxed);
        let id = Uuid::new_v4();
        let number = {
            let mut names = lock(&self.names);
            let next = names.entry(name.to_owned()).or_default();
            *next += 1;
            *next - 1
        };
        lock(&self.ids).insert(task, (id, format!("{name}-{number}")));
        let _ = self.reports.send(Report::Created {
            id,
            name: name.to_owned(),
            number,
        });
        task
    }

    fn task_state(&self, task: u64, state: TaskState) {
        let Some((id, name)) = lock(&self.ids).get(&task).cloned() else {
            return;
        };
        let word = match &state {
            TaskState::Completed => Some("Completed"),
            TaskState::Failed { .. } => Some("Failed"),
            TaskState::Cancelled => Some("Cancelled"),
            TaskState::Running | TaskState::Retrying { .. } => None,
        };
        if let Some(word) = word {
            lock(&self.ended).push((name, word));
        }
        let _ = self.reports.send(Report::State { id, state });
    }
}

/// Tells the server, one report after the other, until nobody reports any more.
pub(super) async fn tell(run: &FlowRun, reports: &mut UnboundedReceiver<Report>) {
    while let Some(report) = reports.recv().await {
        // A report that the server refuses is lost; the tasks' states are no condition of the flow's.
        let _ = match report {
            Report::Created { id, name, number } => {
                let body = json!({
                    "id": id,
                    "flow_run_id": run.id,
                    "task_key": format!("flowimage.{name}"),
                    "dynamic_key": number.to_string(),
                    "name": format!("{name}-{number}"),
                    "state": { "type": "PENDING", "name": "Pending" },
                });
                run.client.post("/task_runs/", &body, PATIENCE).await
            }
            Report::State { id, state } => {
                let body = json!({ "state": body(&state), "force": true });
                let path = format!("/task_runs/{id}/set_state");
                run.client.post(&path, &body, PATIENCE).await
            }
            Report::Told(sender) => {
                let _ = sender.send(());
                continue;
            }
        };
    }
}

fn body(state: &TaskState) -> Value {
    match state {
        TaskState::Running => json!({ "type": "RUNNING", "name": "Running" }),
        TaskState::Completed => json!({ "type": "COMPLETED", "name": "Completed" }),
        TaskState::Cancelled => json!({ "type": "CANCELLED", "name": "Cancelled" }),
        TaskState::Failed { error } => json!({ "type": "FAILED", "name": "Failed", "message": error }),
        TaskState::Retrying { error, delay } => {
            let due = timestamp::now() + u64::try_from(delay.as_micros()).unwrap_or_default();
            json!({
                "type": "SCHEDULED",
                "name": "AwaitingRetry",
                "message": error,
                "state_details": { "scheduled_time": timestamp::micros(due) },
            })
        }
    }
}
