//! What flowimage's macros cost the compiler, beside the derives everybody knows.
//!
//! `cargo bench --bench compile` writes small crates below `target/`, edits one line of each and runs `cargo check`, in
//! turn, so that a busy machine slows all alike. Medians and ratios are printed; only the ratios mean something.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod kit;

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use kit::{SmallCrate, children_seconds, median};

const ITEMS: usize = 200;
const ROUNDS: usize = 11;

fn main() {
    // `cargo test --benches` asks whether the bench works: one round tells.
    let rounds = if std::env::args().any(|it| it == "--bench") {
        ROUNDS
    } else {
        1
    };
    incremental(rounds);
    clean(rounds.min(3));
}

/// What 200 items add to `cargo check` after an edit elsewhere in their crate.
///
/// A flow that is a function has no serde derive of its own. What one would cost is shown beside it.
fn incremental(rounds: usize) {
    // Each beside a crate with the same dependencies, so that these count on neither side.
    let flowimage = "flowimage = { path = \"ROOT\" }\nserde = { version = \"1\", features = [\"derive\"] }";
    let thiserror = "thiserror = \"2\"";
    let crates = [
        Bench::new("flows", flowimage, &flows()),
        Bench::new("functions", flowimage, &functions(false)),
        Bench::new("parameters", flowimage, &functions(true)),
        Bench::new("errors", thiserror, &errors(true)),
        Bench::new("plain-errors", thiserror, &errors(false)),
    ];
    for bench in &crates {
        bench.check();
    }
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..rounds {
        for (bench, times) in crates.iter().zip(&mut times) {
            bench.edit(round);
            times.push(bench.check());
        }
    }
    let [flows, functions, parameters, errors, plain] = times.map(|times| median(times).as_secs_f64());
    let (ours, serde, theirs) = (flows - functions, parameters - functions, errors - plain);
    println!("incremental cargo check of {ITEMS} items, medians of {rounds} alternating rounds, seconds");
    println!("  flows of ten keys                {flows:.3}");
    println!("  the same functions, no flows     {functions:.3}");
    println!("  with serde derives of parameters {parameters:.3}");
    println!("  thiserror::Error derives         {errors:.3}");
    println!("  the same enums, nothing derived  {plain:.3}");
    println!(
        "  flowimage adds {ours:.3}, thiserror {theirs:.3}: ratio {:.2}",
        ours / theirs
    );
    println!(
        "  beyond serde derives of the parameters ({serde:.3}): ratio {:.2} (goal: at most 1)",
        (ours - serde) / theirs
    );
}

/// What it costs to compile the macro crate with all it needs.
fn clean(rounds: usize) {
    let crates = [
        Bench::new(
            "macros",
            "flowimage-macros = { path = \"ROOT/flowimage-macros\" }",
            "",
        ),
        Bench::new("clap-derive", "clap_derive = \"4\"", ""),
    ];
    let mut seconds: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (bench, seconds) in crates.iter().zip(&mut seconds) {
            bench.small.clean();
            let before = children_seconds();
            bench.check();
            seconds.push(children_seconds() - before);
        }
    }
    let [ours, theirs] = seconds.map(median);
    println!("clean cargo check, CPU seconds, medians of {rounds} alternating rounds");
    println!(
        "  flowimage-macros, {} crates  {ours:.1}",
        crates[0].small.dependencies()
    );
    println!(
        "  clap_derive, {} crates       {theirs:.1}",
        crates[1].small.dependencies()
    );
    println!("  ratio {:.2} (goal: at most 3.5, and 20 crates)", ours / theirs);
}

/// A crate that is compiled again and again.
struct Bench {
    small: SmallCrate,
    source: String,
}

impl Bench {
    fn new(name: &str, dependency: &str, source: &str) -> Self {
        let small = SmallCrate::new("compile", name, &format!("[dependencies]\n{dependency}"));
        fs::write(small.path("odbc.ini"), "[ODBC]\n").unwrap();
        let bench = Self {
            small,
            source: source.to_owned(),
        };
        bench.edit(9999);
        bench
    }

    /// Changes a line that no item depends on, and no item's place.
    fn edit(&self, round: usize) {
        let text = format!(
            "#![allow(dead_code)]\nfn main() {{ println!(\"{round:04}\"); }}\n{}",
            self.source
        );
        fs::write(self.small.path("src/main.rs"), text).unwrap();
    }

    fn check(&self) -> Duration {
        let start = Instant::now();
        self.small.cargo(&["check", "--quiet", "--offline"]);
        start.elapsed()
    }
}

fn flows() -> String {
    let mut source = String::from("use flowimage::prelude::*;\n");
    for number in 0..ITEMS {
        write!(
            source,
            r#"
/// Copies orders, number {number}.
#[flow_image(
    name = "orders-{number}",
    registry_url = "gcr.io/dev",
    image_name = "orders",
    image_tag = "v{number}",
    base_image = "debian:bookworm-slim",
    system_dependencies = ["unixodbc", "tdsodbc"],
    files = {{ "odbc.ini" => "/etc/odbc.ini" }},
    env_vars = {{ TDSVER = "7.4", NUMBER = "{number}" }},
    labels = {{ "org.example.number" = "{number}" }},
    user = "1000:1000",
)]
async fn orders_{number}(day: String, batch: u32) -> Result<u32, std::io::Error> {{
    let rows = day.len() as u32;
    Ok(rows + batch + {number})
}}
"#
        )
        .unwrap();
    }
    source
}

/// The flows' functions; with the types of their parameters, by hand.
fn functions(parameters: bool) -> String {
    let mut source = String::from("use flowimage as _;\n");
    for number in 0..ITEMS {
        write!(
            source,
            r"
/// Copies orders, number {number}.
async fn orders_{number}(day: String, batch: u32) -> Result<u32, std::io::Error> {{
    let rows = day.len() as u32;
    Ok(rows + batch + {number})
}}
"
        )
        .unwrap();
        if parameters {
            write!(
                source,
                r"
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Orders{number} {{ day: String, batch: u32 }}
"
            )
            .unwrap();
        }
    }
    source
}

fn errors(derived: bool) -> String {
    let derive = if derived {
        "#[derive(Debug, thiserror::Error)]"
    } else {
        "#[derive(Debug)]"
    };
    let message = |text: &str| {
        if derived {
            format!("#[error(\"{text}\")]")
        } else {
            String::new()
        }
    };
    let from = if derived { "#[from] " } else { "" };
    let mut source = String::from("use thiserror as _;\n");
    for number in 0..ITEMS {
        write!(
            source,
            "\n{derive}\npub enum Error{number} {{\n    {} NotFound(String),\n    {} Busy {{ seconds: u64, path: String }},\n    \
             {} Read({from}std::io::Error),\n    {} Gone,\n}}\n",
            message("{0} is not there"),
            message("{path} is busy for {seconds} s"),
            message("cannot be read"),
            message("gone"),
        )
        .unwrap();
    }
    source
}
