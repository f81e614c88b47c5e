//! How the way there is shown: bars on a terminal, lines elsewhere, JSON on request.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::progress::Event;

/// How long an instruction may be on a line.
const WIDTH: usize = 80;

/// What `--progress` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Wanted {
    /// Bars on a terminal, lines elsewhere; with `--json` nothing.
    #[default]
    Auto,
    /// A line for each step that is done.
    Plain,
    /// Each event as a JSON object on standard output, before the outcome of its flow.
    Json,
    /// Nothing.
    None,
}

/// Shows events, one form for a whole command.
pub(super) enum Shown {
    Nothing,
    Lines,
    Json,
    Bars(Bars),
}

impl Shown {
    pub(super) fn new(wanted: Wanted, json: bool, quiet: bool) -> Self {
        match wanted {
            Wanted::None => Self::Nothing,
            Wanted::Json => Self::Json,
            Wanted::Plain => Self::Lines,
            Wanted::Auto if json || quiet => Self::Nothing,
            Wanted::Auto if std::io::stderr().is_terminal() => Self::Bars(Bars::default()),
            Wanted::Auto => Self::Lines,
        }
    }

    /// Shows an event of a flow.
    pub(super) fn event(&mut self, flow: &str, event: &Event, out: &mut dyn Write, err: &mut dyn Write) {
        match self {
            Self::Nothing => {}
            Self::Lines => {
                if let Some(line) = line(event) {
                    let _ = writeln!(err, "{flow}: {line}");
                }
            }
            Self::Json => {
                let mut object = json!(event);
                object["flow"] = json!(flow);
                let _ = writeln!(out, "{object}");
            }
            Self::Bars(bars) => bars.event(flow, event),
        }
    }

    /// The flow is done: nothing is drawn for it any more.
    pub(super) fn done(&mut self, flow: &str) {
        if let Self::Bars(bars) = self {
            bars.done(flow);
        }
    }
}

/// One line for each flow that is worked on.
#[derive(Default)]
pub(super) struct Bars {
    all: MultiProgress,
    by_flow: HashMap<String, ProgressBar>,
}

impl Bars {
    fn event(&mut self, flow: &str, event: &Event) {
        let bar = self.by_flow.entry(flow.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            // The template is ours and well-formed; without it the bar has its default look.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg}  {elapsed}") {
                bar.set_style(style);
            }
            bar.set_prefix(flow.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        match event {
            Event::Step { name, index, total } => {
                bar.set_message(format!("{}{}", numbers(*index, *total), short(name)));
            }
            Event::Pull { image, done, total } => {
                bar.set_message(format!("pulling {image} {}", of(*done, *total)));
            }
            Event::Context { bytes } => bar.set_message(format!("sending the context, {}", size(*bytes))),
            Event::Output { .. } => {}
            event => {
                if let Some(line) = line(event) {
                    bar.set_message(line.clone());
                    if !matches!(event, Event::Stage { .. }) {
                        bar.println(format!("  {flow}: {line}"));
                    }
                }
            }
        }
    }

    fn done(&mut self, flow: &str) {
        if let Some(bar) = self.by_flow.remove(flow) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

/// An event as a line; nothing for those that only move a bar.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Pull { image, done, total } => format!("pulling {image} {}", of(*done, *total)),
        Event::Found { environment, place } => format!("environment {environment} found {place}"),
        Event::Building { environment, key } => {
            format!("building environment {environment}, because of `{key}`")
        }
        Event::StepDone {
            name,
            cached,
            milliseconds,
        } => match cached {
            true => format!("cached  {}", short(name)),
            false => format!("{:>6}  {}", seconds(*milliseconds), short(name)),
        },
        Event::Context { bytes } => format!("sent {} of the build context", size(*bytes)),
        Event::Built {
            environment,
            milliseconds,
        } => {
            format!("built environment {environment} in {}", seconds(*milliseconds))
        }
        Event::TakenOut { layers, milliseconds } => {
            format!(
                "took {layers} layers out of the engine in {}",
                seconds(*milliseconds)
            )
        }
        Event::Shared { environment, place } => format!("environment {environment} is at {place} now"),
        Event::Stage { .. } | Event::Step { .. } | Event::Output { .. } => return None,
    })
}

fn numbers(index: Option<u32>, total: Option<u32>) -> String {
    match (index, total) {
        (Some(index), Some(total)) => format!("[{index}/{total}] "),
        _ => String::new(),
    }
}

fn short(name: &str) -> String {
    let mut words = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = words.char_indices().nth(WIDTH) {
        words.truncate(at);
        words.push('…');
    }
    words
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

fn of(done: u64, total: u64) -> String {
    match total {
        0 => String::new(),
        total => format!("{} of {}", size(done), size(total)),
    }
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_as_lines_and_as_json() {
        let done = Event::StepDone {
            name: "RUN set -eu;     apt-get   update".to_owned(),
            cached: false,
            milliseconds: 12_345,
        };
        let shown = |mut shown: Shown| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            shown.event("orders", &done, &mut out, &mut err);
            (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
        };
        assert_eq!(
            shown(Shown::Lines),
            (
                String::new(),
                "orders: 12.3 s  RUN set -eu; apt-get update\n".to_owned()
            )
        );
        let (out, err) = shown(Shown::Json);
        assert_eq!(err, "");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&out).unwrap(),
            json!({"flow": "orders", "event": "step_done", "name": "RUN set -eu;     apt-get   update",
                   "cached": false, "milliseconds": 12345})
        );
        assert_eq!(shown(Shown::Nothing), (String::new(), String::new()));
        assert_eq!(size(12_345_678), "12.3 MB");
    }
}
