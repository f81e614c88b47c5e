//! Tasks: named parts of a flow, each with a state of its own and retries.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::FlowContext;

/// Who is told how a run's tasks fare. Must not block: it is called on the flow's thread.
pub trait Observer: Debug + Send + Sync {
    /// A task is about to begin; gives a number by which it is known from now on.
    fn task_created(&self, name: &str) -> u64;
    /// A task has another state.
    fn task_state(&self, task: u64, state: TaskState);
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// At work.
    Running,
    /// It failed, and is tried again after a pause.
    Retrying {
        /// The error.
        error: String,
        /// Until the next try.
        delay: Duration,
    },
    /// Done.
    Completed,
    /// It failed for good.
    Failed {
        /// The error.
        error: String,
    },
    /// The flow was ended, or dropped the task, before it was done.
    Cancelled,
}

impl FlowContext {
    /// A task: a part of the flow that is seen by itself in Prefect, and tried again if it fails.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use flowimage_runtime::flow::FlowContext;
    /// # async fn flow(context: &FlowContext) -> Result<u32, std::io::Error> {
    /// let rows = context
    ///     .task("extract", async || Ok::<u32, std::io::Error>(42))
    ///     .retries(3, Duration::from_secs(10))
    ///     .await?;
    /// # Ok(rows) }
    /// ```
    pub fn task<'a, F: 'a>(&self, name: impl Into<String>, work: F) -> Task<'a, F> {
        Task {
            name: name.into(),
            retries: 0,
            delay: Duration::ZERO,
            observer: self.observer.clone(),
            work,
            captures: PhantomData,
        }
    }
}

/// A task that has not begun: `.await` runs it, or [`Task::block`] where the flow is no async function.
#[derive(Debug)]
#[must_use = "a task does nothing until it is awaited"]
pub struct Task<'a, F> {
    name: String,
    retries: u32,
    delay: Duration,
    observer: Option<Arc<dyn Observer>>,
    work: F,
    captures: PhantomData<&'a ()>,
}

impl<F> Task<'_, F> {
    /// Tries it again so many times after a failure, with this pause before each.
    pub fn retries(mut self, retries: u32, delay: Duration) -> Self {
        self.retries = retries;
        self.delay = delay;
        self
    }

    /// Runs it on this thread, its pauses included.
    ///
    /// # Errors
    /// The last try's.
    pub fn block<T, E: Display>(mut self) -> Result<T, E>
    where
        F: FnMut() -> Result<T, E>,
    {
        let attempts = Attempts::begin(&mut self);
        loop {
            match attempts.judge((self.work)(), &mut self.retries) {
                Ok(ended) => return ended,
                Err(delay) => {
                    std::thread::sleep(delay);
                    attempts.tell(TaskState::Running);
                }
            }
        }
    }
}

impl<'a, F, T, E> IntoFuture for Task<'a, F>
where
    F: AsyncFnMut() -> Result<T, E> + 'a,
    T: 'a,
    E: Display + 'a,
{
    type Output = Result<T, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T, E>> + 'a>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let attempts = Attempts::begin(&mut self);
            loop {
                match attempts.judge((self.work)().await, &mut self.retries) {
                    Ok(ended) => return ended,
                    Err(delay) => {
                        tokio::time::sleep(delay).await;
                        attempts.tell(TaskState::Running);
                    }
                }
            }
        })
    }
}

/// The tries of one task. Dropped before the end, it was cancelled.
struct Attempts {
    observer: Option<(Arc<dyn Observer>, u64)>,
    delay: Duration,
    ended: std::cell::Cell<bool>,
}

impl Attempts {
    fn begin<F>(task: &mut Task<'_, F>) -> Self {
        let attempts = Self {
            observer: task.observer.take().map(|observer| {
                let number = observer.task_created(&task.name);
                (observer, number)
            }),
            delay: task.delay,
            ended: std::cell::Cell::new(false),
        };
        attempts.tell(TaskState::Running);
        attempts
    }

    /// The task's end, or the pause before the next try.
    fn judge<T, E: Display>(
        &self,
        outcome: Result<T, E>,
        retries: &mut u32,
    ) -> Result<Result<T, E>, Duration> {
        let error = match &outcome {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        match error {
            Some(error) if *retries > 0 => {
                *retries -= 1;
                self.tell(TaskState::Retrying {
                    error,
                    delay: self.delay,
                });
                Err(self.delay)
            }
            Some(error) => {
                self.end(TaskState::Failed { error });
                Ok(outcome)
            }
            None => {
                self.end(TaskState::Completed);
                Ok(outcome)
            }
        }
    }

    fn tell(&self, state: TaskState) {
        if let Some((observer, number)) = &self.observer {
            observer.task_state(*number, state);
        }
    }

    fn end(&self, state: TaskState) {
        self.ended.set(true);
        self.tell(state);
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.tell(TaskState::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<TaskState>>);

    impl Observer for Seen {
        fn task_created(&self, _name: &str) -> u64 {
            0
        }

        fn task_state(&self, _task: u64, state: TaskState) {
            self.0.lock().unwrap().push(state);
        }
    }

    fn watched() -> (FlowContext, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        let mut context = FlowContext::new("f");
        context.observer = Some(seen.clone());
        (context, seen)
    }

    fn retrying(error: &str) -> TaskState {
        TaskState::Retrying {
            error: error.to_owned(),
            delay: Duration::from_millis(1),
        }
    }

    #[tokio::test]
    async fn a_task_is_tried_again_and_every_state_is_told() {
        let (context, seen) = watched();
        let mut tries = 0;
        let outcome = context
            .task("t", async || {
                tries += 1;
                if tries < 3 {
                    Err(format!("no {tries}"))
                } else {
                    Ok(tries)
                }
            })
            .retries(2, Duration::from_millis(1))
            .await;
        assert_eq!(outcome, Ok(3));
        let states = seen.0.lock().unwrap().clone();
        assert_eq!(
            states,
            [
                TaskState::Running,
                retrying("no 1"),
                TaskState::Running,
                retrying("no 2"),
                TaskState::Running,
                TaskState::Completed
            ]
        );
    }

    #[test]
    fn a_blocking_task_fails_with_its_last_error() {
        let (context, seen) = watched();
        let outcome: Result<(), &str> = context
            .task("t", || Err("no"))
            .retries(1, Duration::from_millis(1))
            .block();
        assert_eq!(outcome, Err("no"));
        let states = seen.0.lock().unwrap().clone();
        assert_eq!(
            states,
            [
                TaskState::Running,
                retrying("no"),
                TaskState::Running,
                TaskState::Failed {
                    error: "no".to_owned()
                }
            ]
        );
    }

    #[tokio::test]
    async fn a_task_dropped_in_the_middle_is_cancelled() {
        let (context, seen) = watched();
        let task = context.task("t", async || {
            std::future::pending::<()>().await;
            Ok::<(), String>(())
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(5), task)
                .await
                .is_err()
        );
        assert_eq!(
            *seen.0.lock().unwrap(),
            [TaskState::Running, TaskState::Cancelled]
        );
    }
}
