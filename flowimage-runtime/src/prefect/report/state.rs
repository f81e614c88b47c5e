//! States of a flow run, as they are proposed to the server, and its verdicts.
//!
//! The HTTP status is no verdict: a refused proposal is answered 201 too.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::client::Client;
use super::super::error::PrefectError;

/// The types that Prefect knows and flowimage proposes or meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Waits for its time.
    Scheduled,
    /// Handed to a worker.
    Pending,
    /// At work.
    Running,
    /// Waits for somebody.
    Paused,
    /// Asked to stop.
    Cancelling,
    /// Stopped.
    Cancelled,
    /// Done.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended without a word, or by accident.
    Crashed,
}

impl Kind {
    const ALL: [(Kind, &'static str, &'static str); 9] = [
        (Kind::Scheduled, "SCHEDULED", "Scheduled"),
        (Kind::Pending, "PENDING", "Pending"),
        (Kind::Running, "RUNNING", "Running"),
        (Kind::Paused, "PAUSED", "Paused"),
        (Kind::Cancelling, "CANCELLING", "Cancelling"),
        (Kind::Cancelled, "CANCELLED", "Cancelled"),
        (Kind::Completed, "COMPLETED", "Completed"),
        (Kind::Failed, "FAILED", "Failed"),
        (Kind::Crashed, "CRASHED", "Crashed"),
    ];

    fn words(self) -> (&'static str, &'static str) {
        let found = Self::ALL.iter().find(|(kind, _, _)| *kind == self);
        found.map_or(("RUNNING", "Running"), |(_, kind, name)| (kind, name))
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Kind::Cancelled | Kind::Completed | Kind::Failed | Kind::Crashed
        )
    }
}

/// A state that the server has.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its type.
    pub kind: Kind,
    /// Its name, such as `AwaitingRetry`.
    pub name: String,
    /// When a scheduled one is due; RFC 3339.
    pub scheduled: Option<String>,
    transition: Option<String>,
}

impl State {
    /// The state in an answer; a run without one is new.
    pub fn read(state: &Value) -> Self {
        let kind = state["type"].as_str().unwrap_or("SCHEDULED");
        let found = Kind::ALL.iter().find(|(_, word, _)| *word == kind);
        let details = &state["state_details"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            kind: found.map_or(Kind::Pending, |(kind, _, _)| *kind),
            name: text(&state["name"]).unwrap_or_else(|| kind.to_owned()),
            scheduled: text(&details["scheduled_time"]),
            transition: text(&details["transition_id"]),
        }
    }
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is the run's state now.
    Accepted,
    /// The run has this state instead.
    Rejected(State),
    /// Nothing more may be proposed.
    Aborted(String),
}

/// A flow run of a server.
#[derive(Debug)]
pub struct FlowRun {
    /// The server.
    pub client: Client,
    /// Its id.
    pub id: String,
}

impl FlowRun {
    /// What the server says of the run.
    ///
    /// # Errors
    /// It does not answer, or knows no such run.
    pub async fn read(&self, patience: Duration) -> Result<Value, PrefectError> {
        self.client
            .get(&format!("/flow_runs/{}", self.id), patience)
            .await
    }

    /// Proposes a state. A proposal whose answer was lost is recognised when it is made again.
    ///
    /// # Errors
    /// The server does not answer for as long as `patience`.
    pub async fn propose(
        &self,
        kind: Kind,
        message: Option<&str>,
        patience: Duration,
    ) -> Result<Verdict, PrefectError> {
        let transition = Uuid::new_v4().to_string();
        let (word, name) = kind.words();
        let body = json!({
            "state": {
                "type": word,
                "name": name,
                "message": message,
                "state_details": { "transition_id": transition },
            },
            "force": false,
        });
        let path = format!("/flow_runs/{}/set_state", self.id);
        loop {
            let answer = self
                .client
                .send(Method::POST, &path, Some(&body), patience)
                .await?;
            if !(200..300).contains(&answer.status) {
                return Err(answer.refused(&Method::POST, &path));
            }
            let (answer, details) = (&answer.body, &answer.body["details"]);
            let reason = || {
                details["reason"]
                    .as_str()
                    .unwrap_or("the server gives no reason")
                    .to_owned()
            };
            match answer["status"].as_str() {
                Some("ACCEPT") => return Ok(Verdict::Accepted),
                Some("WAIT") => {
                    let seconds = details["delay_seconds"]
                        .as_f64()
                        .unwrap_or(1.0)
                        .clamp(0.1, 3600.0);
                    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                }
                Some("REJECT") => {
                    let state = State::read(&answer["state"]);
                    return Ok(if state.transition.as_deref() == Some(&transition) {
                        Verdict::Accepted
                    } else {
                        Verdict::Rejected(state)
                    });
                }
                _ => return Ok(Verdict::Aborted(reason())),
            }
        }
    }
}
