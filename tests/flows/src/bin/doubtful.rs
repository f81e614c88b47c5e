//! A flow whose health check takes its time, and says what a declared file says.

use std::time::Duration;

use flowimage::prelude::*;

/// Does nothing.
#[flow_image(files = { "verdict/verdict.txt" => "/verdict.txt" })]
fn doubtful() {}

/// Long enough for something to happen in between.
#[health_check(doubtful)]
async fn verdict() -> Result<(), Unhealthy> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    match std::fs::read_to_string("/verdict.txt").unwrap_or_default().trim() {
        "healthy" => Ok(()),
        other => Err(Unhealthy::new(format!("the verdict is {other}")).advice("write `healthy`")),
    }
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
