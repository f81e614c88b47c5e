//! Prefect 3 as the engine for many machines: what is registered becomes a deployment, and a run that a worker
//! starts reports for itself. No Python is needed, here or in the image.

mod automation;
mod client;
mod deployment;
mod error;
mod history;
mod job;
mod orchestrator;
mod pool;
pub mod report;
mod settings;

pub use automation::WATCHDOG;
pub use client::{Answer, Client};
pub use deployment::{Change, Wanted, body, body_schedule, differences, identity};
pub use error::PrefectError;
pub use history::{LastRun, last_runs, orphans};
pub use job::{Program, job_variables, unheeded};
pub use orchestrator::{Deployed, Known, Orchestrator, Wishes};
pub use pool::Pool;
pub use settings::{Credentials, Settings};

/// The tag of every deployment that flowimage makes, by which they are found again; runs and their events have it too.
pub const TAG: &str = "flowimage";
/// The deployment's name where none is given.
pub const DEPLOYMENT: &str = "default";
