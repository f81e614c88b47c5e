//! Work that several flows of one command need, done once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::failure::Failure;

/// Results by key. Who asks for one that is being worked on waits for it; a failure is everybody's.
#[derive(Debug)]
pub struct Shared<T> {
    cells: Mutex<BTreeMap<String, Cell<T>>>,
}

type Cell<T> = Arc<OnceCell<Result<T, Failure>>>;

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            cells: Mutex::default(),
        }
    }
}

impl<T: Clone> Shared<T> {
    /// The result for a key, if the work is done.
    pub fn get(&self, key: &str) -> Option<Result<T, Failure>> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.get(key)?.get().cloned()
    }

    /// The result for a key: an earlier one, or that of `work`. Where the one who works is cancelled, another who
    /// waits takes over.
    ///
    /// # Errors
    /// The work's.
    pub async fn once<F>(&self, key: &str, work: impl FnOnce() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.entry(key.to_owned()).or_default().clone()
        };
        cell.get_or_init(work).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn equal_work_is_done_once_even_at_the_same_time() {
        let shared = Shared::default();
        let count = AtomicU32::new(0);
        let work = |key: &'static str| {
            let (shared, count) = (&shared, &count);
            async move {
                let once = shared.once(key, || async {
                    tokio::task::yield_now().await;
                    Ok(count.fetch_add(1, Ordering::Relaxed))
                });
                once.await.unwrap()
            }
        };
        let all = futures_util::future::join_all([work("a"), work("b"), work("a"), work("a")]).await;
        assert_eq!(all[0], all[2]);
        assert_eq!(all[0], all[3]);
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
