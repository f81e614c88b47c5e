//! Flows for an orchestrator to watch: one that talks, and one for every way to end.

use std::path::Path;
use std::time::Duration;

use flowimage::prelude::*;

/// Says so many lines, by turns through `tracing` and `log`.
#[flow_image]
async fn talks(lines: Option<u32>) -> u32 {
    let lines = lines.unwrap_or(3);
    for line in 0..lines {
        if line % 2 == 0 {
            tracing::info!("line {line}");
        } else {
            log::warn!("line {line}");
        }
    }
    lines
}

#[derive(Debug, thiserror::Error)]
#[error("the orders were not copied")]
struct Failed(#[source] std::io::Error);

/// Fails, and says why.
#[flow_image]
async fn fails() -> Result<(), Failed> {
    Err(Failed(std::io::Error::other("the disk is full")))
}

/// Goes on for some seconds; `busy` without ever waiting for anything.
#[flow_image]
async fn waits(seconds: u64, busy: Option<bool>) {
    tracing::info!("waiting");
    let pause = Duration::from_secs(seconds);
    if busy == Some(true) {
        std::thread::sleep(pause);
    } else {
        tokio::time::sleep(pause).await;
    }
}

/// Panics.
#[flow_image]
async fn panics() {
    panic!("out of luck");
}

/// Says so many lines, and is gone at once.
#[flow_image]
async fn aborts(lines: u32) {
    for line in 0..lines {
        tracing::info!("line {line}");
    }
    std::process::abort();
}

/// Has three tasks: one is done, one is done at the second try, one fails and is not minded.
#[flow_image]
async fn works(context: &FlowContext) -> Result<u32, String> {
    let rows = context.task("extract", async || Ok::<u32, String>(42)).await?;
    let mut tries = 0;
    context
        .task("load", async || {
            tries += 1;
            if tries == 1 { Err("not yet") } else { Ok(()) }
        })
        .retries(1, Duration::from_millis(100))
        .await?;
    let _ = context.task("tidy", || Err::<(), _>("left as it is")).block();
    Ok(rows)
}

/// Comes by itself.
#[flow_image(schedule = "every 15s", tags = ["ticking"])]
async fn ticks() {
    tracing::info!("tick");
}

/// One run of it at a time.
#[flow_image(concurrency_limit = 1)]
async fn alone() {}

/// Goes on when a file says so, and leaves another when it is done.
#[flow_image]
async fn meets(folder: String) -> std::io::Result<()> {
    tracing::info!("waiting");
    let folder = Path::new(&folder);
    while !folder.join("go").exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for line in 0..200 {
        tracing::info!("line {line}");
    }
    std::fs::write(folder.join("done"), "")
}

/// Reads a file that it declares.
#[flow_image(files = { "data/README.txt" => "/opt/words/README.txt" })]
async fn reads() -> std::io::Result<String> {
    std::fs::read_to_string("/opt/words/README.txt")
}

/// A script that minds no request to end, and that waits for a program of its own.
#[flow_image(
    base_image = "debian:bookworm-slim",
    exec = ["sh", "-c", "trap '' TERM; sleep 600 & wait"],
)]
fn executes() {}

/// Writes rows into a database, one at a time, over some seconds.
#[flow_image]
async fn writes(run: String, rows: u32, seconds: f64) -> Result<(), rusqlite::Error> {
    let connection = rusqlite::Connection::open(Path::new("/rows/rows.db"))?;
    connection.busy_timeout(Duration::from_secs(30))?;
    for row in 0..rows {
        connection.execute("INSERT INTO rows VALUES (?1, ?2)", (&run, row))?;
        tokio::time::sleep(Duration::from_secs_f64(seconds / f64::from(rows))).await;
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
