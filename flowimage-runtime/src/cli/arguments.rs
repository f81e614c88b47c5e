//! What may stand on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde_json::Value;

use super::progress::Wanted;

/// Builds, checks, pushes and registers the images of this program's flows.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// The engine: auto, none, or an address such as unix:///var/run/docker.sock
    #[arg(long, global = true, value_name = "auto|none|URL")]
    pub(super) engine: Option<String>,
    /// Push to this registry, whatever is declared
    #[arg(long, global = true, value_name = "URL")]
    pub(super) registry: Option<String>,
    /// Tag the image so, whatever is declared
    #[arg(long, global = true)]
    pub(super) tag: Option<String>,
    /// Put what `[profile.NAME]` of flowimage.toml says in place of what is declared
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Push nothing: register in the layout under target/flowimage
    #[arg(long, global = true)]
    pub(super) no_push: bool,
    /// Put the image into the engine too, under the name and tag that it is pushed with
    #[cfg(feature = "engine")]
    #[arg(long, global = true)]
    pub(super) load: bool,
    /// Take base images as their registries have them now, and pin them anew
    #[arg(long, global = true)]
    pub(super) update_base: bool,
    /// Leave the health checks out
    #[arg(long, global = true)]
    pub(super) no_check: bool,
    /// The flow binary, where it is not this program
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) binary: Option<PathBuf>,
    /// Register in an OCI image layout in this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// How many flows to work on at a time
    #[arg(long, global = true, value_name = "N")]
    pub(super) jobs: Option<usize>,
    #[cfg(feature = "prefect")]
    #[command(flatten)]
    pub(super) orchestrator: Orchestrator,
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How the way there is shown
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|plain|json|none",
        hide_possible_values = true
    )]
    pub(super) progress: Wanted,
    /// Say nothing but errors
    #[arg(long, global = true)]
    pub(super) quiet: bool,
}

impl Command {
    /// The folder that manifests are wanted in.
    #[cfg(feature = "kubernetes")]
    pub(super) fn kubernetes(&self) -> Option<&std::path::Path> {
        match self {
            Command::Register { kubernetes, .. } => kubernetes.as_deref(),
            _ => None,
        }
    }
}

/// What may be said of the Prefect server that `PREFECT_API_URL` names.
#[cfg(feature = "prefect")]
#[derive(Debug, clap::Args)]
pub(super) struct Orchestrator {
    /// Deploy to this work pool, whatever is declared
    #[arg(long, global = true, value_name = "NAME")]
    work_pool: Option<String>,
    /// Create work pools that are missing, of this type
    #[arg(long, global = true, value_name = "docker|process|kubernetes")]
    create_work_pool: Option<String>,
    /// The deployments' name
    #[arg(long, global = true, value_name = "NAME")]
    deployment: Option<String>,
    /// Have the server end runs whose heartbeats stop
    #[arg(long, global = true)]
    watchdog: bool,
}

#[cfg(feature = "prefect")]
impl Orchestrator {
    /// A profile's deployments bear its name, unless another is given.
    pub(super) fn wishes(&self, profile: Option<&str>) -> crate::prefect::Wishes {
        crate::prefect::Wishes {
            work_pool: self.work_pool.clone(),
            create_work_pool: self.create_work_pool.clone(),
            deployment: self.deployment.clone().or(profile.map(str::to_owned)),
            watchdog: self.watchdog,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build, check, push, register; what happens without a command
    Register {
        /// The flows; all without any
        flows: Vec<String>,
        /// Write a manifest for Kubernetes of each flow into this folder
        #[cfg(feature = "kubernetes")]
        #[arg(long, value_name = "DIR")]
        kubernetes: Option<PathBuf>,
    },
    /// Build and check, push nothing
    Build {
        /// The flows; all without any
        flows: Vec<String>,
        /// Build twice, the second time from nothing that is remembered, and compare
        #[arg(long)]
        verify: bool,
    },
    /// The health checks, on the image built last or on another one at hand
    Check {
        /// The flows; all without any
        flows: Vec<String>,
        /// An image instead: a name, digest or ID of the engine's, or oci:FOLDER[:NAME]
        #[arg(long, value_name = "IMAGE")]
        image: Option<String>,
    },
    /// What register would do and why; changes nothing, needs no engine
    Plan {
        /// The flows; all without any
        flows: Vec<String>,
    },
    /// The Dockerfile of a flow
    Dockerfile {
        /// The flow
        flow: String,
        /// Write it with all that it copies into this folder
        #[arg(long, value_name = "DIR")]
        context: Option<PathBuf>,
    },
    /// The flows of this program: declared, built, registered, deployed, last run
    List,
    /// Remove what no entry of the catalog needs, here and in the engine
    Clean,
    /// Remove deployments; without names those of flows that this program no longer has
    #[cfg(feature = "prefect")]
    Unregister {
        /// The flows, also such that this program no longer has
        flows: Vec<String>,
    },
    /// Prefect's own words for `run`: what a worker calls where a deployment names no command
    #[command(hide = true)]
    Prefect {
        /// `flow-run execute`
        #[arg(num_args = 2.., required = true)]
        words: Vec<String>,
    },
    /// Run a flow here; the image's entrypoint
    Run {
        /// The flow; may be left out where there is only one
        flow: Option<String>,
        /// A parameter: JSON, or a plain string
        #[arg(long = "param", value_name = "NAME=JSON", value_parser = parameter)]
        parameters: Vec<(String, Value)>,
        /// In the image that is registered, on the engine of this machine
        #[cfg(feature = "engine")]
        #[arg(long)]
        image: bool,
    },
    /// What the health checks ask of the flow binary inside the image
    #[command(name = crate::check::protocol::COMMAND, hide = true)]
    Probe {
        /// A plan, as JSON
        plan: String,
    },
    /// One health check in Rust, inside the image
    #[command(name = crate::check::protocol::CHECK_COMMAND, hide = true)]
    HealthCheck {
        /// The flow
        flow: String,
        /// The function
        name: String,
    },
    /// The declarations as JSON
    Describe {
        /// The flow; all without one
        flow: Option<String>,
    },
}

/// `NAME=JSON`. What is no JSON is a string, so that days and names need no quotes within quotes.
fn parameter(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected NAME=JSON, for example day=2013-01-01")?;
    if name.is_empty() {
        return Err("the parameter has no name: expected NAME=JSON".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn parameters_are_json_or_text() {
        assert_eq!(parameter("a=1"), Ok(("a".to_owned(), Value::from(1))));
        assert_eq!(
            parameter("day=2013-01-01"),
            Ok(("day".to_owned(), Value::from("2013-01-01")))
        );
        assert_eq!(parameter("x="), Ok(("x".to_owned(), Value::from(""))));
        assert!(parameter("x").is_err() && parameter("=1").is_err());
    }
}
