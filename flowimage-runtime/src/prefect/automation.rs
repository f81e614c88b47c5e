//! The watchdog: an automation of the server that ends runs whose heartbeats stop.
//!
//! A container that dies with its worker says nothing, and nobody else notices: its run would be Running for ever.

use std::time::Duration;

use serde_json::{Value, json};

use super::TAG;
use super::client::Client;
use super::error::PrefectError;

/// The automation's name on the server.
pub const WATCHDOG: &str = "flowimage: runs without heartbeat have crashed";

/// Seconds without a sign of life; heartbeats come every 30.
const SILENCE: u64 = 90;

/// Creates the automation where there is none of its name. One that is there is left as its operators made it.
pub(super) async fn ensure(client: &Client, patience: Duration) -> Result<(), PrefectError> {
    let filter = json!({ "automations": { "name": { "any_": [WATCHDOG] } } });
    let found = client.post("/automations/filter", &filter, patience).await?;
    if found.as_array().is_some_and(|found| !found.is_empty()) {
        return Ok(());
    }
    client.post("/automations/", &watchdog(), patience).await?;
    Ok(())
}

/// Only runs of flowimage's deployments, which bear its tag, are in its reach.
fn watchdog() -> Value {
    json!({
        "name": WATCHDOG,
        "description": "Made by `register --watchdog`. Delete it to switch it off.",
        "enabled": true,
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "after": ["prefect.flow-run.heartbeat"],
            "expect": ["prefect.flow-run.*"],
            "match": { "prefect.resource.id": ["prefect.flow-run.*"] },
            "match_related": { "prefect.resource.id": [format!("prefect.tag.{TAG}")] },
            "for_each": ["prefect.resource.id"],
            "threshold": 1,
            "within": SILENCE,
        },
        "actions": [{
            "type": "change-flow-run-state",
            "state": "CRASHED",
            "message": format!("no heartbeat for {SILENCE} seconds: the container or its machine is gone"),
        }],
    })
}
