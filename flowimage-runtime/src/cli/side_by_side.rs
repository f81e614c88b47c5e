//! Flows side by side, each on a thread: what a flow waits for holds nobody up, and what it computes neither.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, Scope};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::flow::FlowUnit;

/// The stack of a thread: that of a program's first one.
const STACK: usize = 8 << 20;

/// Work that is under way.
pub(super) struct Work<'a, T> {
    units: &'a [FlowUnit],
    outcomes: mpsc::UnboundedReceiver<(usize, T)>,
    /// Outcomes of flows that others stand before.
    waiting: BTreeMap<usize, T>,
    next: usize,
    stop: watch::Sender<bool>,
}

/// Does the work of each flow, of so many at a time.
///
/// # Errors
/// The system gives no thread.
pub(super) fn side_by_side<'scope, 'env, T: Send + 'env>(
    units: &'env [FlowUnit],
    jobs: usize,
    runtime: &'env Runtime,
    scope: &'scope Scope<'scope, 'env>,
    work: &'env (impl AsyncFn(&FlowUnit) -> T + Sync),
) -> io::Result<Work<'env, T>>
where
    'env: 'scope,
{
    let (told, outcomes) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let next = Arc::new(AtomicUsize::new(0));
    for job in 0..jobs.clamp(1, units.len().max(1)) {
        let (told, mut stopped, next) = (told.clone(), stopped.clone(), next.clone());
        let flows = move || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(unit) = units.get(index) else { break };
                let outcome = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = stopped.wait_for(|stop| *stop) => None,
                        outcome = work(unit) => Some(outcome),
                    }
                });
                // Nobody listens any more once all work is to end.
                let Some(Ok(())) = outcome.map(|outcome| told.send((index, outcome))) else {
                    break;
                };
            }
        };
        match Builder::new().stack_size(STACK).spawn_scoped(scope, flows) {
            Ok(_) => {}
            Err(error) if job == 0 => return Err(error),
            // Where the system gives no more threads, those that are there do the work.
            Err(_) => break,
        }
    }
    Ok(Work {
        units,
        outcomes,
        waiting: BTreeMap::new(),
        next: 0,
        stop,
    })
}

impl<'a, T> Work<'a, T> {
    /// The next flow's outcome, in the order of the flows; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<(&'a FlowUnit, T)> {
        loop {
            if let Some(outcome) = self.waiting.remove(&self.next) {
                let unit = self.units.get(self.next)?;
                self.next += 1;
                return Some((unit, outcome));
            }
            let (index, outcome) = self.outcomes.recv().await?;
            self.waiting.insert(index, outcome);
        }
    }

    /// Cancels what is under way, and waits until it has ended. Gives the outcomes of what was done by then.
    pub(super) async fn end(mut self) -> Vec<(&'a FlowUnit, T)> {
        let _ = self.stop.send(true);
        while let Some((index, outcome)) = self.outcomes.recv().await {
            self.waiting.insert(index, outcome);
        }
        let units = self.units;
        let done = self.waiting.into_iter();
        done.filter_map(|(index, outcome)| Some((units.get(index)?, outcome)))
            .collect()
    }
}
