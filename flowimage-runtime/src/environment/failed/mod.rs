//! What is said of a build that failed: the line of the Dockerfile, the key it came from, the end of its output, and
//! what to do where the cause is known.

use flowimage_model::Declaration;
use flowimage_model::render::Rendered;

use super::recipe::Step;
use crate::engine::{BuildFailure, EngineError};
use crate::failure::{Failure, Stage};

mod cause;
mod packages;

/// The number of lines of output shown.
const SHOWN: usize = 10;

/// A failure of the engine to carry a step out.
pub(super) fn build(
    declaration: &Declaration,
    rendered: &Rendered,
    step: &Step,
    error: &EngineError,
) -> Failure {
    let EngineError::Build(failed) = error else {
        return Failure::new(Stage::Build, error);
    };
    let key = match failed.dockerfile_line {
        Some(line) if step.is_generated => match rendered.key_of_line(line) {
            // The default user is nobody's word: it is there because something needs `RUN`.
            Some("user") => declaration.generated_run().unwrap_or("user"),
            key => key.unwrap_or("the build"),
        },
        _ if step.is_generated => "the build",
        _ => "dockerfile",
    };
    let lines: Vec<&str> = failed.last_lines.iter().map(String::as_str).collect();
    let place = cause::Place {
        declaration,
        key,
        instruction: failed.step.as_deref().unwrap_or_default(),
        line: failed.dockerfile_line,
    };
    let cause = cause::find(&place, &lines, failed.exit_code, &failed.message);
    let mut message = format!("`{key}`: {}", headline(declaration, step, failed, &lines));
    if let Some((number, text)) = failed_line(step, failed, key, &lines) {
        message.push_str(&shown_line(number, &text));
    }
    for line in excerpt(&lines, cause.as_ref().and_then(|cause| cause.line)) {
        message.push_str("\n    ");
        message.push_str(line);
    }
    Failure {
        stage: Stage::Build,
        message,
        advice: cause.map(|cause| cause.advice),
    }
}

/// A line of a Dockerfile below a message.
pub(super) fn shown_line(number: usize, text: &str) -> String {
    format!("\n  {number:>4} | {text}")
}

fn headline(declaration: &Declaration, step: &Step, failed: &BuildFailure, lines: &[&str]) -> String {
    let file = match &declaration.dockerfile {
        Some(dockerfile) if !step.is_generated => dockerfile.path.as_str(),
        _ => "the Dockerfile",
    };
    let place = match failed.dockerfile_line {
        Some(line) => format!("line {line} of {file} failed"),
        None => format!("{file} could not be built"),
    };
    match failed.exit_code {
        Some(code) => format!("{place} with exit status {code}"),
        // A step that ran has said it better itself.
        None if !lines.is_empty() => place,
        None => format!("{place}: {}", plain_words(&failed.message)),
    }
}

/// A builder's words without the names of its own parts.
fn plain_words(message: &str) -> &str {
    const PARTS: [&str; 6] = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "rpc error: code = Unknown desc = ",
        "failed to build LLB: ",
        "failed to create LLB definition: ",
        "failed to compute cache key: ",
    ];
    let mut words = PARTS
        .iter()
        .fold(message, |words, part| words.strip_prefix(part).unwrap_or(words));
    // The line is said already.
    if let Some((_, rest)) = words
        .split_once("parse error line ")
        .or(words.split_once("parse error on line "))
    {
        words = rest.split_once(": ").map_or(words, |(_, rest)| rest);
    }
    words
        .strip_suffix(": not found")
        .filter(|words| words.ends_with("not found"))
        .unwrap_or(words)
}

/// The line that failed. Of a generated step of many lines it is the one that does the key's work.
fn failed_line(step: &Step, failed: &BuildFailure, key: &str, output: &[&str]) -> Option<(usize, String)> {
    let first = failed.dockerfile_line?;
    let all: Vec<&str> = step.text.lines().collect();
    let ours = output.iter().rev().find(|line| line.starts_with("flowimage: "));
    let work = match key {
        _ if ours.is_some() => ours?,
        "system_dependencies"
            if output
                .iter()
                .any(|line| line.starts_with("ERROR: unable to select")) =>
        {
            "apk add"
        }
        "system_dependencies" if output.iter().any(|line| line.contains("No match for argument")) => {
            "dnf install"
        }
        "system_dependencies" => "apt-get install",
        "python_dependencies" => "install --",
        _ => "",
    };
    let end = (first..=all.len())
        .find(|number| !all[number - 1].trim_end().ends_with('\\'))
        .unwrap_or(first);
    let number = (first..=end)
        .find(|number| !work.is_empty() && all[number - 1].contains(work))
        .unwrap_or(first);
    let text = all.get(number - 1)?;
    Some((number, text.trim_end().to_owned()))
}

/// The last lines, and the one that tells the cause where it is not among them.
fn excerpt<'a>(lines: &[&'a str], cause: Option<usize>) -> Vec<&'a str> {
    let lines: Vec<(usize, &str)> = lines
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !is_progress(line))
        .collect();
    let start = lines.len().saturating_sub(SHOWN);
    let mut shown: Vec<&str> = Vec::new();
    let above = lines[..start].iter().find(|(index, _)| Some(*index) == cause);
    if let Some((_, line)) = above {
        shown.extend([*line, "…"]);
    }
    shown.extend(lines[start..].iter().map(|(_, line)| line));
    shown
}

/// Lines that package managers write while all is well.
fn is_progress(line: &str) -> bool {
    const STARTS: [&str; 17] = [
        "Get:",
        "Hit:",
        "Ign:",
        "Fetched ",
        "Reading package lists",
        "Building dependency tree",
        "Reading state information",
        "Selecting previously unselected",
        "Preparing to unpack",
        "fetch https://",
        "Collecting ",
        "Downloading ",
        "Using cached ",
        "Preparing metadata",
        "Getting requirements",
        "INFO: pip is looking",
        "WARNING: Retrying",
    ];
    let line = line.trim_start();
    STARTS.iter().any(|start| line.starts_with(start)) || line.contains('━')
}
