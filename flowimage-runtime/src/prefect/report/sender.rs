//! Sends the log, a batch at a time, for as long as the run lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::super::error::PrefectError;
use super::lines::Lines;
use super::page::Page;
use super::state::FlowRun;
use crate::timestamp;

/// Between two requests while few lines come.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one request is tried before its failure is looked at.
const TRY: Duration = Duration::from_secs(10);

/// Sends lines until `closing`, and then those that are left, for as long as `patience` without getting on. Returns how
/// many the server did not take.
pub async fn send_all(
    run: Arc<FlowRun>,
    lines: Arc<Lines>,
    mut closing: watch::Receiver<bool>,
    patience: Duration,
) -> u64 {
    let mut lost = 0;
    let mut closed_at = None;
    loop {
        if closed_at.is_none() {
            tokio::select! {
                () = lines.full.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
                _ = closing.changed() => closed_at = Some(Instant::now()),
            }
        }
        loop {
            let batch = lines.batch();
            if batch.is_empty() {
                break;
            }
            let body = body(&run.id, &batch);
            loop {
                match run.client.post_text("/logs/", &body, TRY).await {
                    Ok(_) => {
                        if closed_at.is_some() {
                            closed_at = Some(Instant::now());
                        }
                        break;
                    }
                    Err(error) if passes(&error) => {
                        if closed_at.is_none() && *closing.borrow() {
                            closed_at = Some(Instant::now());
                        }
                        if closed_at.is_some_and(|since| since.elapsed() > patience) {
                            return lost + lines.left();
                        }
                    }
                    // The server does not want them, however often they are sent.
                    Err(_) => {
                        lost += batch.len() as u64;
                        break;
                    }
                }
            }
            lines.sent(batch.len());
        }
        if closed_at.is_some() {
            return lost;
        }
    }
}

/// Whether another try may do better.
fn passes(error: &PrefectError) -> bool {
    match error {
        PrefectError::Unreachable { .. } => true,
        PrefectError::Answer { status, .. } => *status >= 500 || [408, 429].contains(status),
        _ => false,
    }
}

/// A line as the API takes it.
#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    level: u8,
    message: &'a str,
    timestamp: String,
    flow_run_id: &'a str,
}

/// Written without a tree of values in between: it is done on the machine on which the flow works.
fn body(run: &str, page: &Page) -> String {
    let lines: Vec<_> = page
        .lines()
        .map(|line| Told {
            name: line.name,
            level: line.level,
            message: line.message,
            timestamp: timestamp::micros(line.micros),
            flow_run_id: run,
        })
        .collect();
    // Texts and numbers: nothing in them that JSON has no form for.
    serde_json::to_string(&lines).unwrap_or_default()
}
