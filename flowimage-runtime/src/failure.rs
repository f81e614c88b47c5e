//! What ends the work on one flow: the stage, the error with its causes, and the advice.

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

impl Failure {
    /// A failure from an error.
    pub fn new(stage: Stage, error: &impl Advise) -> Self {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self {
            stage,
            message,
            advice: error.advice(),
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
