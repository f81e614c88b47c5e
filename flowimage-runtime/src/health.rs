//! Health checks written in Rust: functions marked as checks of a flow, run inside its image.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// What is wrong with an image, and what its author can do. Any other error will do as well; it carries no advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    message: String,
    advice: Option<String>,
}

impl Unhealthy {
    /// Says what was seen.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Unhealthy {}

/// How a check ended: nothing, or message and advice.
pub type Verdict = Result<(), (String, Option<String>)>;

/// A check under way.
pub type Checking = Pin<Box<dyn Future<Output = Verdict>>>;

/// A check on its way into the list that the linker keeps.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct HealthCheck {
    /// The flow's name.
    pub flow: &'static str,
    /// The function's.
    pub name: &'static str,
    /// The module it is in: two modules may have a function of one name.
    pub module: &'static str,
    /// Starts it.
    pub run: fn() -> Checking,
}

inventory::collect!(HealthCheck);

/// A health check of this program, and what it is called by the program in the image.
pub(crate) struct Known {
    /// The function's path, which no other health check of the flow has.
    pub(crate) id: String,
    /// What it is called for people: the function's name, or its path where several have that name.
    pub(crate) shown: String,
    /// Starts it.
    pub(crate) run: fn() -> Checking,
}

/// The health checks of a flow that are linked into this program, by name.
pub(crate) fn of_flow(flow: &str) -> Vec<Known> {
    let checks = inventory::iter::<HealthCheck>.into_iter();
    known(checks.filter(|check| check.flow == flow).collect())
}

fn known(mut checks: Vec<&HealthCheck>) -> Vec<Known> {
    checks.sort_by_key(|check| (check.name, check.module));
    let path = |check: &HealthCheck| (check.name, check.module);
    let known = checks.iter().enumerate().map(|(index, check)| {
        // Functions inside functions can have one path.
        let before = checks[..index]
            .iter()
            .filter(|other| path(other) == path(check))
            .count();
        let number = if before > 0 {
            format!("#{}", before + 1)
        } else {
            String::new()
        };
        let id = format!("{}::{}{number}", check.module, check.name);
        let alone = checks.iter().filter(|other| other.name == check.name).count() == 1;
        Known {
            shown: if alone { check.name.to_owned() } else { id.clone() },
            id,
            run: check.run,
        }
    });
    known.collect()
}

/// What the macro makes of a function's result.
#[doc(hidden)]
pub fn verdict<T, E: Into<Box<dyn Error + Send + Sync>>>(outcome: Result<T, E>) -> Verdict {
    let Err(error) = outcome else { return Ok(()) };
    let error = error.into();
    let advice = error
        .downcast_ref::<Unhealthy>()
        .and_then(|unhealthy| unhealthy.advice.clone());
    Err((crate::flow::FlowError::new(&*error).to_string(), advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_one_name_are_told_apart() {
        let check = |name, module| HealthCheck {
            flow: "flow",
            name,
            module,
            run: || Box::pin(async { Ok(()) }),
        };
        let checks = [
            check("ready", "app::b"),
            check("ready", "app::a"),
            check("disk", "app"),
            check("ready", "app::a"),
        ];
        let known = known(checks.iter().collect());
        let shown: Vec<_> = known.iter().map(|it| it.shown.as_str()).collect();
        assert_eq!(
            shown,
            ["disk", "app::a::ready", "app::a::ready#2", "app::b::ready"]
        );
        assert_eq!(known[0].id, "app::disk");
    }

    #[test]
    fn any_error_will_do_and_ours_carries_advice() {
        assert_eq!(verdict::<_, String>(Ok(1)), Ok(()));
        assert_eq!(
            verdict::<(), _>(Err("no driver")),
            Err(("no driver".to_owned(), None))
        );
        let error: Box<dyn Error + Send + Sync> = Unhealthy::new("no driver").advice("add it").into();
        assert_eq!(
            verdict::<(), _>(Err(error)),
            Err(("no driver".to_owned(), Some("add it".to_owned())))
        );
    }
}
