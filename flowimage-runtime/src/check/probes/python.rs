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

/// Prints one JSON object a line: what is begun, and what came of it.
const SCRIPT: &str = include_str!("python.py");

/// A line of the script's.
#[derive(Deserialize)]
struct Line {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
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
        let failed = |detail: String| Check::new(NAME, Status::Fail, detail);
        let (status, end) = match ran.exited(NAME, NAME, SECONDS) {
            Ok(exited) => exited,
            Err(check) => return vec![check],
        };
        let lines: Vec<Line> = end
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let finished = |name: &str| lines.iter().any(|line| line.name == name && line.kind.is_some());
        if let Some(bad) = lines.iter().find(|line| line.error.is_some()) {
            return vec![failed(words(bad)).advice(advice(bad, seen))];
        }
        if let Some(cut) = lines.iter().find(|line| !finished(&line.name)) {
            let detail = format!(
                "importing {} ended Python with exit status {status}{}",
                cut.name,
                last_words(end)
            );
            return vec![failed(detail).advice("import it in the image to see why it crashes")];
        }
        if status != 0 {
            return vec![
                failed(format!(
                    "Python ended with exit status {status}{}",
                    last_words(end)
                ))
                .advice("look at the Python of the base image"),
            ];
        }
        let versions = lines
            .iter()
            .filter_map(|line| Some(format!("{} {}", line.name, line.version.as_ref()?)));
        vec![Check::new(
            NAME,
            Status::Pass,
            versions.collect::<Vec<_>>().join(", "),
        )]
    }
}

/// `python3` of the image, or what the base calls it instead.
pub(super) fn interpreter(seen: &Seen<'_>) -> &'static str {
    match (seen.on_path("python3"), seen.on_path("python")) {
        (None, Some(_)) => "python",
        _ => "python3",
    }
}

fn words(line: &Line) -> String {
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
fn advice(line: &Line, seen: &Seen<'_>) -> String {
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
