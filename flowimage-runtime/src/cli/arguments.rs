//! What may stand on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde_json::Value;

/// Builds, checks, pushes and registers the images of this program's flows.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// The engine: auto, none, or an address such as unix:///var/run/docker.sock
    #[arg(long, global = true, default_value = "auto", value_name = "auto|none|URL")]
    pub(super) engine: String,
    /// Push to this registry, whatever is declared
    #[arg(long, global = true, value_name = "URL")]
    pub(super) registry: Option<String>,
    /// Tag the image so, whatever is declared
    #[arg(long, global = true)]
    pub(super) tag: Option<String>,
    /// Push nothing: register in the layout under target/flowimage
    #[arg(long, global = true)]
    pub(super) no_push: bool,
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
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say nothing but errors
    #[arg(long, global = true)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build, check, push, register; what happens without a command
    Register {
        /// The flows; all without any
        flows: Vec<String>,
    },
    /// Build and check, push nothing
    Build {
        /// The flows; all without any
        flows: Vec<String>,
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
    /// The flows of this program, and what is registered of each
    List,
    /// Run a flow here; the image's entrypoint
    Run {
        /// The flow; may be left out where there is only one
        flow: Option<String>,
        /// A parameter: JSON, or a plain string
        #[arg(long = "param", value_name = "NAME=JSON", value_parser = parameter)]
        parameters: Vec<(String, Value)>,
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
