//! What flows say through `tracing` and `log`: printed at once, and sent to the server where one watches the run.

use std::cell::Cell;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use super::lines::Lines;
use crate::timestamp;

/// The log of the run that this process is, once there is one.
static LINES: OnceLock<Arc<Lines>> = OnceLock::new();

std::thread_local! {
    /// What the reporter's own libraries say would only make more of it.
    static SILENT: Cell<bool> = const { Cell::new(false) };
    /// Memory for a line, so that none costs an allocation.
    static TEXT: Cell<Text> = const { Cell::new(Text::EMPTY) };
}

/// Bytes that a thread keeps for its next line, at most.
const KEPT: usize = 64 << 10;

/// Where lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Standard output, which nobody reads a result from: the flow runs for an orchestrator.
    Stdout,
    /// Standard error: standard output is for the flow's result.
    Stderr,
    /// Nowhere: the program has a subscriber of its own that does.
    Nowhere,
}

/// Sends everything that is said from now on. The first log stays.
pub fn send_to(lines: Arc<Lines>) {
    let _ = LINES.set(lines);
}

/// Nothing said on this thread is printed or sent.
pub(super) fn silence_this_thread() {
    SILENT.set(true);
}

/// Installs the subscriber and the logger of this process, unless the program has its own. Levels as `RUST_LOG` says,
/// else `PREFECT_LOGGING_LEVEL`, else from information up.
///
/// A program with its own subscriber adds [`layer`] to it.
pub fn install(print: Print) {
    let filter = filter(|name| std::env::var(name).ok());
    let said = Said { print };
    let bridge = Bridge {
        said,
        filter: filter.clone(),
    };
    let _ = tracing::subscriber::set_global_default(Registry::default().with(said.with_filter(filter)));
    if log::set_boxed_logger(Box::new(bridge)).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

/// For programs with a `tracing` subscriber of their own: sends what is said to the server, and prints nothing.
pub fn layer<S: Subscriber>() -> impl Layer<S> {
    Said {
        print: Print::Nowhere,
    }
}

/// `RUST_LOG` in its simple forms: `debug`, `info,my_crate=trace`.
fn filter(look_up: impl Fn(&str) -> Option<String>) -> Targets {
    let written = look_up("RUST_LOG").or_else(|| look_up("PREFECT_LOGGING_LEVEL"));
    let level = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        // Python's words.
        "warning" => "warn".to_owned(),
        "critical" => "error".to_owned(),
        other => other.to_owned(),
    };
    written
        .and_then(|text| level(&text).parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
}

#[derive(Clone, Copy)]
struct Said {
    print: Print,
}

impl Said {
    /// Says what `message` writes. It is formatted once, for print and server, into memory that the thread keeps.
    fn say(self, level: Level, name: &str, message: impl FnOnce(&mut Text)) {
        let lines = LINES.get();
        if SILENT.get() || (self.print == Print::Nowhere && lines.is_none()) {
            return;
        }
        // Taken, not borrowed: what is formatted may say something itself.
        let mut text = TEXT.try_with(Cell::take).unwrap_or_default();
        let micros = timestamp::now();
        timestamp::push_micros(&mut text.line, micros);
        text.line.push_str(padded(level));
        text.line.push_str(name);
        text.line.push_str(": ");
        let begin = text.line.len();
        message(&mut text);
        let end = text.finish(begin);
        self.print.whole(&text.line);
        if let Some(lines) = lines {
            lines.push_at(micros, number(level), name, &text.line[begin..end]);
        }
        if text.line.capacity() + text.fields.capacity() <= KEPT {
            text.line.clear();
            text.fields.clear();
            let _ = TEXT.try_with(|kept| kept.set(text));
        }
    }
}

impl Print {
    /// Prints a line with one write, and at once: whatever ends the process next, the line is out. What the program has
    /// printed itself on the same stream comes before.
    fn whole(self, line: &str) {
        let _ = match self {
            // Its buffer is passed by where a text ends a line.
            Print::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            Print::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
            Print::Nowhere => Ok(()),
        };
    }
}

/// A level between time and name.
fn padded(level: Level) -> &'static str {
    match level {
        Level::ERROR => " ERROR ",
        Level::WARN => "  WARN ",
        Level::INFO => "  INFO ",
        Level::DEBUG => " DEBUG ",
        Level::TRACE => " TRACE ",
    }
}

/// Python's number of a level.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

impl<S: Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        self.say(*metadata.level(), metadata.target(), |text| event.record(text));
    }
}

/// A line as it is written: an event's message, then its fields as `name=value`, wherever the message stands among them.
#[derive(Default)]
struct Text {
    line: String,
    fields: String,
}

impl Text {
    const EMPTY: Self = Self {
        line: String::new(),
        fields: String::new(),
    };

    /// Puts the fields behind the message, which began at `begin`. Returns where that ends.
    fn finish(&mut self, begin: usize) -> usize {
        let fields = if self.line.len() == begin {
            self.fields.trim_start()
        } else {
            &self.fields
        };
        self.line.push_str(fields);
        let end = self.line.len();
        self.line.push('\n');
        end
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.line.push_str(value);
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = if field.name() == "message" {
            write!(self.line, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

/// The `log` crate's side.
struct Bridge {
    said: Said,
    filter: Targets,
}

impl log::Log for Bridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.filter
            .would_enable(metadata.target(), &level_of(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.said.say(level_of(record.level()), record.target(), |text| {
                let _ = text.line.write_fmt(*record.args());
            });
        }
    }

    fn flush(&self) {}
}

fn level_of(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::ERROR,
        log::Level::Warn => Level::WARN,
        log::Level::Info => Level::INFO,
        log::Level::Debug => Level::DEBUG,
        log::Level::Trace => Level::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_from_rust_log_or_prefect() {
        let filter = |pairs: &'static [(&str, &str)]| {
            filter(move |name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(!filter(&[]).would_enable("a", &Level::DEBUG));
        assert!(filter(&[]).would_enable("a", &Level::INFO));
        assert!(!filter(&[("PREFECT_LOGGING_LEVEL", "WARNING")]).would_enable("a", &Level::INFO));
        let both = filter(&[("RUST_LOG", "warn,mine=trace"), ("PREFECT_LOGGING_LEVEL", "INFO")]);
        assert!(both.would_enable("mine::part", &Level::TRACE) && !both.would_enable("a", &Level::INFO));
    }
}
