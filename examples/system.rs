//! A flow that leans on packages of the base's distribution: a CLI and its library, installed into the image by an
//! engine. `cargo run --example system` needs one.

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};

use flowimage::prelude::*;

/// Counts the flights of each airport with the `sqlite3` program.
#[flow_image(
    base_image = "debian:bookworm-slim",
    system_dependencies = ["sqlite3"],
    files = { "examples/data/flights.csv" => "/data/flights.csv" },
    env_vars = { FLIGHTS = "/data/flights.csv", PATH = "$PATH:/opt/tools" },
)]
async fn flights_by_airport() -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let table = std::env::var("FLIGHTS").unwrap_or("examples/data/flights.csv".to_owned());
    if !Path::new(&table).exists() {
        return Err(format!("no table at {table}").into());
    }
    let output = Command::new("sqlite3")
        .args([
            ":memory:",
            "-cmd",
            ".mode csv",
            "-cmd",
            &format!(".import {table} flights"),
        ])
        .arg("SELECT origin, count(*) FROM flights GROUP BY origin ORDER BY origin")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn main() -> ExitCode {
    flowimage::main()
}
