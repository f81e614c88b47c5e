//! The declared Python requirements are installed, fit what was asked for, and can be imported.

use serde::Deserialize;

use super::super::probe::Probe;
use super::super::protocol::Task;
use super::super::ran::{Ran, last_words};
use super::super::seen::Seen;
use super::super::{Check, Status};

pub(crate) struct Python;

const NAME: &str = "python_dependencies";

/// Imports can be slow on a cold disk.
const SECONDS: u64 = 120;

/// Prints one JSON object a line: what is begun, what came of it, and at the end the first error and the number of
/// answers.
const SCRIPT: &str = include_str!("python.py");

/// A line of the script's.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    /// The last one.
    End { answered: usize },
    /// One about a requirement: begun where it has no kind.
    One(Answer),
}

#[derive(Deserialize)]
struct Answer {
    name: String,
    version: Option<String>,
    error: Option<String>,
    kind: Option<String>,
}

impl Probe for Python {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().python_dependencies.is_empty()
    }

    fn tasks(&self, seen: &Seen<'_>) -> Vec<Task> {
        let requirements = seen.declaration().python_dependencies.iter();
        let requirements: Vec<_> = requirements.map(|it| it.to_string()).collect();
        let requirements = serde_json::to_string(&requirements).unwrap_or_default();
        let argv = [interpreter(seen), "-c", SCRIPT, &requirements].map(str::to_owned);
        vec![Task {
            id: NAME.to_owned(),
            argv: argv.into(),
            seconds: SECONDS,
        }]
    }

    fn judge(&self, seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        let (status, end) = match ran.exited(NAME, NAME, SECONDS) {
            Ok(exited) => exited,
            Err(check) => return vec![check],
        };
        let asked = seen.declaration().python_dependencies.len();
        vec![match read(&end.stdout, asked, status) {
            Verdict::Bad(bad) => {
                Check::new(NAME, Status::Fail, words(&bad)).advice(advice(&bad, seen))
            }
            Verdict::Cut(Some(name)) => {
                let detail = format!(
                    "importing {name} ended Python with exit status {status}{}",
                    last_words(end)
                );
                Check::new(NAME, Status::Fail, detail).advice("import it in the image to see why it crashes")
            }
            Verdict::Cut(None) => {
                let detail = format!("Python ended with exit status {status}{}", last_words(end));
                Check::new(NAME, Status::Fail, detail).advice("look at the Python of the base image")
            }
            Verdict::Uncompared(name) => Check::new(
                NAME,
                Status::Warn,
                format!("whether {name} has the version asked for is not known: there is no `packaging` in the image"),
            )
            .advice("install pip or `packaging` in the base image"),
            Verdict::Good(versions) => Check::new(NAME, Status::Pass, versions),
        }]
    }
}

/// What the script's answer comes to.
enum Verdict {
    /// A requirement that is not met.
    Bad(Answer),
    /// Python ended before it had answered for all, at the requirement named.
    Cut(Option<String>),
    /// One that nobody could compare with what was asked for.
    Uncompared(String),
    /// All is well; the versions, for people.
    Good(String),
}

fn read(answer: &str, asked: usize, status: i32) -> Verdict {
    let (mut answers, mut answered) = (Vec::new(), None);
    for line in answer.lines() {
        match serde_json::from_str(line) {
            Ok(Line::One(one)) => answers.push(one),
            Ok(Line::End { answered: all }) => answered = Some(all),
            Err(_) => {}
        }
    }
    if let Some(bad) = answers.iter().position(|one| one.error.is_some()) {
        return Verdict::Bad(answers.swap_remove(bad));
    }
    if status != 0 || answered != Some(asked) {
        let last = answers
            .pop()
            .filter(|one| one.kind.is_none() && answered.is_none());
        return Verdict::Cut(last.map(|one| one.name));
    }
    let of_kind = |kind: &str, one: &Answer| one.kind.as_deref() == Some(kind);
    if let Some(one) = answers.iter().find(|one| of_kind("uncompared", one)) {
        return Verdict::Uncompared(one.name.clone());
    }
    let versions: Vec<_> = answers
        .iter()
        .filter_map(|one| Some(format!("{} {}", one.name, one.version.as_ref()?)))
        .collect();
    let mut versions_text = versions.join(", ");
    let untold = asked - answers.iter().filter(|one| one.kind.is_some()).count().min(asked);
    if untold > 0 {
        versions_text += &format!(", and {untold} more");
    }
    Verdict::Good(versions_text)
}

/// `python3` of the image, or what the base calls it instead.
pub(super) fn interpreter(seen: &Seen<'_>) -> &'static str {
    match (seen.on_path("python3"), seen.on_path("python")) {
        (None, Some(_)) => "python",
        _ => "python3",
    }
}

fn words(line: &Answer) -> String {
    let (name, error) = (&line.name, line.error.as_deref().unwrap_or_default());
    match line.kind.as_deref() {
        Some("absent") => format!("{name} is not installed"),
        Some("version") => format!(
            "{name} {} does not fit: {error}",
            line.version.as_deref().unwrap_or("?")
        ),
        _ => format!("{name} cannot be imported: {error}"),
    }
}

/// Advice from the words of an error, where they tell.
fn advice(line: &Answer, seen: &Seen<'_>) -> String {
    let error = line.error.as_deref().unwrap_or_default();
    match line.kind.as_deref() {
        Some("absent") => "a later step removed it, or another Python comes first on PATH".to_owned(),
        Some("version") => {
            "another version was installed later: look at `extra_dockerfile_commands`".to_owned()
        }
        _ => {
            // `libodbc.so.2: cannot open shared object file: No such file or directory`
            let library = error
                .split(": cannot open shared object file")
                .next()
                .filter(|_| error.contains("cannot open shared object file"))
                .and_then(|before| before.rsplit([' ', ':']).next());
            if let Some(library) = library {
                return super::missing::package(library, seen);
            }
            // `No module named 'x'`
            match error
                .split("No module named '")
                .nth(1)
                .and_then(|rest| rest.split(['\'', '.']).next())
            {
                Some(module) => format!("add the package of the module `{module}` to python_dependencies"),
                None => "import it in the image to see the whole error".to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captured::Captured;

    fn answer(lines: &[&str]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_late_error_in_a_long_answer_is_seen() {
        let mut captured = Captured::new(8 << 10);
        for number in 0..300 {
            let name = format!("package-{number}");
            captured.push(format!("{{\"name\":\"{name}\"}}\n").as_bytes());
            let came = match number {
                150 => "\"kind\":\"import\",\"version\":\"1\",\"error\":\"ImportError: libx.so.1\"",
                _ => "\"kind\":\"imported\",\"version\":\"1.0\"",
            };
            captured.push(format!("{{\"name\":\"{name}\",{came}}}\n").as_bytes());
        }
        let end = "{\"name\":\"package-150\",\"kind\":\"import\",\"error\":\"ImportError: libx.so.1\"}\n{\"answered\":300}\n";
        captured.push(end.as_bytes());
        assert!(captured.truncated());
        assert!(matches!(read(&captured.text(), 300, 1), Verdict::Bad(bad) if bad.name == "package-150"));
    }

    #[test]
    fn what_is_not_answered_is_no_pass() {
        let good = [
            "{\"name\":\"a\"}",
            "{\"name\":\"a\",\"kind\":\"imported\",\"version\":\"1\"}",
        ];
        let whole = [good[0], good[1], "{\"answered\":1}"];
        assert!(matches!(read(&answer(&whole), 1, 0), Verdict::Good(text) if text == "a 1"));
        assert!(matches!(read(&answer(&whole), 2, 0), Verdict::Cut(None)));
        assert!(matches!(read(&answer(&whole), 1, 1), Verdict::Cut(None)));
        assert!(matches!(read(&answer(&good), 1, 0), Verdict::Cut(None)));
        let crashed = [good[0], good[1], "{\"name\":\"b\"}"];
        assert!(matches!(read(&answer(&crashed), 2, 139), Verdict::Cut(Some(name)) if name == "b"));
        let unsure = [
            "{\"name\":\"a\",\"kind\":\"uncompared\",\"version\":\"1\"}",
            "{\"answered\":1}",
        ];
        assert!(matches!(read(&answer(&unsure), 1, 0), Verdict::Uncompared(name) if name == "a"));
    }
}
