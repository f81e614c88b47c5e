//! What ends the work on one flow: the stage, the error with its causes, and the advice.

use std::io;

use crate::advice::Advise;

/// The stages of a flow's way to its registration, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding out what is to be done.
    Plan,
    /// Making the image.
    Build,
    /// Running the health checks.
    Check,
    /// Sending it to where it is registered.
    Publish,
    /// Writing the catalog, telling the orchestrator.
    Register,
}

impl Stage {
    /// The stage's word in JSON and messages.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Plan => "plan",
            Stage::Build => "build",
            Stage::Check => "check",
            Stage::Publish => "publish",
            Stage::Register => "register",
        }
    }
}

/// Why a flow was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// The error and its causes.
    pub message: String,
    /// What to do, where that is known.
    pub advice: Option<String>,
}

/// What to do about a full disk, where the error itself knows nothing better.
const FULL: &str = "free space on that disk: `clean` removes what no registered image needs";

impl Failure {
    /// A failure from an error.
    pub fn new(stage: Stage, error: &impl Advise) -> Self {
        let mut message = error.to_string();
        let mut is_full = false;
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            let cause_of_system = cause.downcast_ref::<io::Error>();
            is_full |= cause_of_system.is_some_and(|it| it.kind() == io::ErrorKind::StorageFull);
            source = cause.source();
        }
        Self {
            stage,
            message,
            advice: error.advice().or_else(|| is_full.then(|| FULL.to_owned())),
        }
    }

    /// A failure in words.
    pub fn text(stage: Stage, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            stage,
            message: message.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Turns errors of a stage into failures: `.map_err(at(Stage::Build))`.
pub fn at<E: Advise>(stage: Stage) -> impl Fn(E) -> Failure {
    move |error| Failure::new(stage, &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerError;

    #[test]
    fn a_full_disk_is_told_with_a_way_out() {
        let full = LayerError::Write(io::ErrorKind::StorageFull.into());
        let advice = Failure::new(Stage::Build, &full).advice;
        assert_eq!(advice.as_deref(), Some(FULL));
        let other = LayerError::Write(io::ErrorKind::BrokenPipe.into());
        assert_eq!(Failure::new(Stage::Build, &other).advice, None);
    }
}
