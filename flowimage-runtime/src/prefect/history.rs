//! What `list` asks a server: each deployment's last run, and runs that nobody may be working on any more.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::TAG;
use super::client::Client;
use super::error::PrefectError;
use super::orchestrator::Known;

/// The run of a deployment that began last.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LastRun {
    /// Its name.
    pub name: String,
    /// Its state's name, such as `Completed`.
    pub state: String,
    /// When it began; RFC 3339.
    pub start: String,
}

/// Requests under way at a time.
const AT_A_TIME: usize = 8;

/// The last run of each of these deployments that has begun, in their order.
///
/// # Errors
/// The server does not answer.
pub async fn last_runs(
    client: &Client,
    deployments: &[Known],
    patience: Duration,
) -> Result<Vec<Option<LastRun>>, PrefectError> {
    stream::iter(deployments)
        .map(|known| LastRun::of(client, &known.id, patience))
        .buffered(AT_A_TIME)
        .try_collect()
        .await
}

impl LastRun {
    async fn of(client: &Client, deployment: &str, patience: Duration) -> Result<Option<Self>, PrefectError> {
        let filter = json!({
            "flow_runs": {
                "deployment_id": { "any_": [deployment] },
                "start_time": { "is_null_": false },
            },
            "sort": "START_TIME_DESC",
            "limit": 1,
        });
        let runs = client.post("/flow_runs/filter", &filter, patience).await?;
        Ok(runs.get(0).map(Self::read))
    }

    fn read(run: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(&run["name"]),
            state: text(&run["state_name"]),
            start: text(&run["start_time"]),
        }
    }
}

/// Runs of flowimage's deployments that are Running and of which no heartbeat came since `since` (RFC 3339).
///
/// # Errors
/// The server does not answer.
pub async fn orphans(
    client: &Client,
    since: &str,
    patience: Duration,
) -> Result<Vec<(String, LastRun)>, PrefectError> {
    let filter = json!({
        "flow_runs": {
            "tags": { "all_": [TAG] },
            "state": { "type": { "any_": ["RUNNING"] } },
            "start_time": { "before_": since },
        },
        "limit": 200,
    });
    let runs = client.post("/flow_runs/filter", &filter, patience).await?;
    let runs = runs.as_array().cloned().unwrap_or_default();
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let resources: Vec<_> = runs
        .iter()
        .filter_map(|run| run["id"].as_str())
        .map(|id| format!("prefect.flow-run.{id}"))
        .collect();
    let mut alive: Vec<String> = Vec::new();
    let body = json!({
        "filter": {
            "event": { "name": ["prefect.flow-run.heartbeat"] },
            "resource": { "id": resources },
            "occurred": { "since": since },
        },
        "limit": 50,
    });
    let mut page = client.post("/events/filter", &body, patience).await?;
    loop {
        let events = page["events"].as_array().into_iter().flatten();
        alive.extend(
            events
                .filter_map(|event| event["resource"]["prefect.resource.id"].as_str())
                .map(str::to_owned),
        );
        let Some(next) = page["next_page"].as_str() else {
            break;
        };
        let Some(path) = next.find("/events/filter/next").map(|at| next[at..].to_owned()) else {
            break;
        };
        page = client.get(&path, patience).await?;
    }
    let silent = |run: &&Value| {
        let id = format!("prefect.flow-run.{}", run["id"].as_str().unwrap_or_default());
        !alive.contains(&id)
    };
    Ok(runs
        .iter()
        .filter(silent)
        .map(|run| {
            (
                run["deployment_id"].as_str().unwrap_or_default().to_owned(),
                LastRun::read(run),
            )
        })
        .collect())
}
