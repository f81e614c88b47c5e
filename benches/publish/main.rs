//! What publishing costs, beside `docker build` and `docker push`, buildah, Prefect 1's Docker storage, and a raw-HTTP
//! floor: hash once, compress once, send once.
//!
//! `benches/run publish [WORD…]` measures the lines whose names have a word in them; all without one. The program is the
//! flows' too, in a folder of its own. All commands of a line run in turn, so that a busy machine slows all alike; only
//! the ratios mean something. What no machine's mood changes is counted in a round of its own.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod door;
mod floor;
#[path = "../kit/mod.rs"]
mod kit;
mod lines;
mod place;
mod ran;

use std::process::ExitCode;

use flowimage::prelude::*;

use kit::median;
use lines::Line;
use place::Place;
use ran::Ran;

macro_rules! flows {
    ($($name:ident)*) => {
        $(
            /// Says where it is.
            #[flow_image(base_image = "debian:bookworm-slim")]
            fn $name() -> Result<String, std::io::Error> {
                std::fs::read_to_string("/etc/debian_version")
            }
        )*
    };
}

flows! {
    flow_01 flow_02 flow_03 flow_04 flow_05 flow_06 flow_07 flow_08 flow_09 flow_10
    flow_11 flow_12 flow_13 flow_14 flow_15 flow_16 flow_17 flow_18 flow_19 flow_20
}

/// Leans on many files: those that stand in the place of this one when it is measured.
#[flow_image(base_image = "debian:bookworm-slim", files = { "benches/data" => "/opt/data" })]
fn with_data() -> Result<String, std::io::Error> {
    std::fs::read_to_string("/etc/debian_version")
}

/// Where the program is changed for a new round: a rebuild of cargo's would change as little.
#[used]
static MARK: [u8; 32] = *b"flowimage-bench-mark-0123456789.";

/// In an image it runs without cargo's argument.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|it| it == floor::FLOOR) {
        floor::known(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|it| it == "--bench") {
        measure();
        return ExitCode::SUCCESS;
    }
    flowimage::main()
}

fn measure() {
    assert!(
        std::env::var_os("FLOWIMAGE_TEST_ENV").is_some(),
        "no engine of the tests: `benches/run publish`"
    );
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    let lines: Vec<Line> = lines::all()
        .into_iter()
        .filter(|line| words.is_empty() || words.iter().any(|word| line.name.contains(word.as_str())))
        .collect();
    let place = Place::new(&MARK, lines.iter().any(|line| line.data));
    println!(
        "program of {} flows: {:.1} MB",
        21,
        place.program_size() as f64 / 1e6
    );
    for line in &lines {
        report(line, &place);
    }
}

fn report(line: &Line, place: &Place) {
    println!("\n## {}", line.name);
    let commands = line.commands();
    let mut times = vec![Vec::new(); commands.len() + 1];
    // The first round warms all up.
    for round in 0..=line.rounds() {
        for (times, command) in times.iter_mut().zip(&commands) {
            line.before(place, command.is_ours);
            let ran = place.run(&command.text, command.is_ours);
            line.after(place, command.is_ours);
            if round > 0 {
                times.push(ran.seconds);
            }
        }
        line.before(place, true);
        let seconds = line.floor(place);
        if round > 0 {
            times[commands.len()].push(seconds);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let floor = medians[commands.len()];
    let peers = line.ours.len()..commands.len();
    let best_peer = peers
        .min_by(|a, b| medians[*a].total_cmp(&medians[*b]))
        .unwrap_or(0);
    let best = medians[best_peer];
    println!("medians of {} alternating rounds", line.rounds());
    for (command, seconds) in commands.iter().zip(&medians) {
        println!("  {seconds:8.4} s  {:6.3}  {}", seconds / best, command.text);
    }
    println!(
        "  {floor:8.4} s  {:6.3}  floor: {}",
        floor / best,
        line.floor_words()
    );
    for (ours, seconds) in line.ours.iter().zip(&medians) {
        println!(
            "  {:.3} of the best peer (goal {}), {:.2} of the floor (goal 2.5)",
            seconds / best,
            ours.goal,
            seconds / floor
        );
    }
    for index in (0..line.ours.len()).chain([best_peer]) {
        let command = &commands[index];
        line.before(place, command.is_ours);
        place.run_counted(&command.text, command.is_ours);
        line.before(place, command.is_ours);
        let (ran, counts) = place.run_counted(&command.text, command.is_ours);
        line.after(place, command.is_ours);
        println!(
            "  {}: {counts}; {ran}",
            if command.is_ours { "flowimage" } else { "best peer" }
        );
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.1} MB read and {:.1} MB written by files and sockets, at most {:.1} MiB of memory",
            self.read as f64 / 1e6,
            self.written as f64 / 1e6,
            self.memory as f64 / f64::from(1 << 20)
        )
    }
}
