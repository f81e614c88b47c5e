//! The summary of a run: an artifact on its page in Prefect.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::Outcome;

/// Bytes of a result that are shown.
const RESULT: usize = 4 << 10;

/// What is told of a run at its end. Parameters are not: there may be secrets among them.
pub(super) struct Summary<'a> {
    pub(super) flow: &'a str,
    pub(super) outcome: &'a Outcome,
    pub(super) attempts: u32,
    pub(super) took: Duration,
    pub(super) lines: u64,
    pub(super) tasks: &'a [(String, &'static str)],
}

impl Summary<'_> {
    /// The body of `POST /artifacts/`.
    pub(super) fn artifact(&self, run: &str) -> Value {
        json!({
            "key": key(self.flow),
            "type": "markdown",
            "description": format!("Summary of a run of {}", self.flow),
            "data": self.markdown(),
            "flow_run_id": run,
        })
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n| | |\n| --- | --- |\n", self.flow);
        let mut row = |name: &str, value: String| {
            let _ = writeln!(
                text,
                "| {name} | {} |",
                value.replace('|', "\\|").replace('\n', " ")
            );
        };
        row(
            "ended",
            match self.outcome {
                Outcome::Completed(_) => "completed".to_owned(),
                Outcome::Failed(error) => format!("failed: {error}"),
                Outcome::Unfit(error) => format!("the parameters do not fit: {error}"),
                Outcome::Crashed(what) => format!("crashed: {what}"),
                Outcome::Stopped(_) => "stopped".to_owned(),
            },
        );
        row("took", format!("{:.1} s", self.took.as_secs_f64()));
        row("attempts", self.attempts.to_string());
        row("log lines", self.lines.to_string());
        for (name, state) in self.tasks {
            row(&format!("task {name}"), (*state).to_owned());
        }
        if let Outcome::Completed(result) = self.outcome
            && !result.is_null()
        {
            let mut shown = serde_json::to_string_pretty(result).unwrap_or_default();
            if shown.len() > RESULT {
                let end = (0..=RESULT)
                    .rev()
                    .find(|at| shown.is_char_boundary(*at))
                    .unwrap_or(0);
                shown.truncate(end);
                shown.push_str("\n…");
            }
            let _ = write!(text, "\n```json\n{}\n```\n", shown.replace("```", "` ` `"));
        }
        text
    }
}

/// Prefect takes small letters, digits and hyphens only.
fn key(flow: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c
        } else {
            '-'
        }
    };
    let name: String = flow.to_ascii_lowercase().chars().map(plain).collect();
    format!("{}-summary", name.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_table_and_the_result() {
        let outcome = Outcome::Completed(json!(["a|b"]));
        let summary = Summary {
            flow: "Nightly_orders",
            outcome: &outcome,
            attempts: 1,
            took: Duration::from_millis(1234),
            lines: 7,
            tasks: &[("extract-0".to_owned(), "Completed")],
        };
        let artifact = summary.artifact("id");
        assert_eq!(artifact["key"], "nightly-orders-summary");
        assert_eq!(
            artifact["data"],
            "# Nightly_orders\n\n| | |\n| --- | --- |\n| ended | completed |\n| took | 1.2 s |\n| attempts | 1 |\n\
             | log lines | 7 |\n| task extract-0 | Completed |\n\n```json\n[\n  \"a|b\"\n]\n```\n"
        );
    }
}
