//! Health checks of all kinds: what a flow leans on is declared, and is looked at inside the image before anything is
//! pushed. `cargo run --example checks build`.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use flowimage::prelude::*;

/// A report of the airports, for a region.
#[flow_image(
    files = {
        "examples/config/airports.toml" => "/etc/flow/airports.toml",
        "examples/data" => "/data",
    },
    env_vars = { REPORT_REGION = "east", PATH = "$PATH:/opt/tools" },
    commands = ["report-tool", "report-script"],
    dynamic_libraries = ["libreportdriver.so"],
    health_checks = ["report-check --all"],
    dry_run = { region = "east" },
)]
fn airport_report(region: String) -> Result<String, Box<dyn Error + Send + Sync>> {
    let airports = fs::read_to_string("/etc/flow/airports.toml").unwrap_or_default();
    let template = fs::read_to_string("/opt/report/template")?;
    Ok(format!("{template} {region}: {} lines", airports.lines().count()))
}

/// The report is worth nothing without a licence.
#[health_check(airport_report)]
async fn licence_is_valid() -> Result<(), Unhealthy> {
    let text = fs::read_to_string("/opt/report/licence")
        .map_err(|error| Unhealthy::new(format!("no licence: {error}")).advice("add it to `files`"))?;
    assert!(!text.is_empty(), "a licence says something");
    match text.trim() {
        "valid" => Ok(()),
        other => Err(Unhealthy::new(format!("the licence is {other}")).advice("ask for a new one")),
    }
}

/// Sorts widgets with a package of Python's.
#[flow_image(base_image = "debian:bookworm-slim", python_dependencies = ["widget>=1,<2"])]
fn sorted_widgets() {}

/// Leans on nothing: what every flow's image is checked for.
#[flow_image]
fn nothing_else() {}

fn main() -> ExitCode {
    flowimage::main()
}
