//! The keys that hold Dockerfile text, or the path of one.

use super::Surroundings;
use super::draft::Draft;
use super::paths::missing_path;
use super::read::{Placed, Reader};
use crate::dockerfile::{Dockerfile, DockerfileMistake, INSTRUCTIONS, check_alone, context_sources};
use crate::ignore::Ignore;
use crate::names::PathKind;
use crate::suggest::suggest;
use crate::tree::{Findings, Mistake};

impl<P: Clone> Draft<P> {
    /// Reads the user's Dockerfile, and holds what it copies against the build context.
    pub(super) fn read_dockerfile(&mut self, reader: &mut Reader<P>, surroundings: &dyn Surroundings) {
        let ignore = self.read_ignore(reader, surroundings);
        let Some(path) = &self.dockerfile else { return };
        let (place, path) = (&path.place, &path.value.0);
        let text = match surroundings.text(path) {
            Ok(text) => text,
            Err(why) => {
                let mistake = missing_path(place, "Dockerfile", path, &why, surroundings);
                return reader.findings.mistake(mistake);
            }
        };
        let mistakes = match Dockerfile::parse(&text) {
            Err(mistakes) => mistakes,
            Ok(parsed) => {
                for doubt in parsed.doubts() {
                    let found = in_file(place, path, doubt.mistake.clone());
                    reader.findings.doubt(doubt.lint, found);
                }
                let missing = ignore.map_or_else(Vec::new, |(ignore, name)| {
                    parsed.missing_sources(surroundings, &ignore, &name)
                });
                self.dockerfile_parsed = Some((text, parsed));
                missing
            }
        };
        for mistake in mistakes {
            reader.findings.mistake(in_file(place, path, mistake));
        }
    }

    /// The ignore file that counts, and what to call it; `None` where it cannot be read.
    fn read_ignore(
        &self,
        reader: &mut Reader<P>,
        surroundings: &dyn Surroundings,
    ) -> Option<(Ignore, String)> {
        let (place, path) = match (&self.dockerignore, &self.dockerfile) {
            (Some(declared), _) => (&declared.place, declared.value.0.clone()),
            (None, Some(dockerfile)) => {
                let found = Ignore::candidates(Some(&dockerfile.value.0))
                    .into_iter()
                    .find(|path| surroundings.kind(path) == Some(PathKind::File));
                match found {
                    Some(path) => (&dockerfile.place, path),
                    None => return Some((Ignore::default(), "the defaults".to_owned())),
                }
            }
            (None, None) => return None,
        };
        let why = match surroundings.kind(&path) {
            Some(PathKind::Folder) => Some("it is a folder".to_owned()),
            None => Some("it does not exist".to_owned()),
            Some(PathKind::File) => None,
        };
        let text = match why.map_or_else(|| surroundings.text(&path), Err) {
            Ok(text) => text,
            Err(why) => {
                let mistake = missing_path(place, "ignore file", &path, &why, surroundings);
                reader.findings.mistake(mistake);
                return None;
            }
        };
        match Ignore::parse(&text) {
            Ok(ignore) => Some((ignore, format!("`{path}`"))),
            Err(mistakes) => {
                for mistake in mistakes {
                    let message = format!("{path}:{}: {}", mistake.line, mistake.error);
                    let mut found = Mistake::new(place.clone(), message);
                    found.help.extend(mistake.error.help().map(str::to_owned));
                    reader.findings.mistake(found);
                }
                None
            }
        }
    }
}

/// A mistake with its place in the file, under the token that names the file.
fn in_file<P: Clone>(place: &P, path: &str, mistake: DockerfileMistake) -> Mistake<P> {
    let text = format!("{path}:{}:{}: {}", mistake.line, mistake.column, mistake.message);
    let mut found = Mistake::new(place.clone(), text);
    found.help.extend(mistake.help);
    found
}

/// What the generated part does itself cannot be said again, nor the stage be left.
pub(super) fn check_extra_commands<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    for command in &draft.extra_dockerfile_commands {
        if let Some(mistake) = refused(command) {
            findings.mistake(mistake);
            continue;
        }
        match check_alone(&command.value) {
            Ok(doubts) => {
                for doubt in doubts {
                    findings.doubt(doubt.lint, in_command(command, doubt.mistake));
                }
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    findings.mistake(in_command(command, mistake));
                }
            }
        }
    }
}

/// A mistake in a command; its column helps only where the command is long.
fn in_command<P: Clone>(command: &Placed<String, P>, mistake: DockerfileMistake) -> Mistake<P> {
    let mut found = Mistake::new(command.place.clone(), mistake.message);
    found.help.extend(mistake.help);
    found
}

/// Why a command cannot stand among the generated ones, or is none at all.
fn refused<P: Clone>(command: &Placed<String, P>) -> Option<Mistake<P>> {
    let text = command.value.trim();
    let word = text.split_whitespace().next().unwrap_or_default();
    let upper = word.to_ascii_uppercase();
    let mistake = |message: String| Mistake::new(command.place.clone(), message);
    let reason = match upper.as_str() {
        "FROM" => Some("the flow's image is one stage: use `base_image`, or a `dockerfile` of your own"),
        "USER" => Some("the generated steps run as root and then restore the user: see the key `user`"),
        "ENTRYPOINT" => Some("the flow binary is the entrypoint"),
        "CMD" => Some("the command is `run` and the flow's name"),
        _ => None,
    };
    if let Some(reason) = reason {
        return Some(mistake(format!("`{upper}` is refused in `extra_dockerfile_commands`")).help(reason));
    }
    if text.starts_with('#') {
        return Some(
            mistake("a comment is no extra command".to_owned()).help("write it as a comment of Rust"),
        );
    }
    if command.value.contains(['\n', '\r', '\0']) {
        return Some(mistake("an extra command is one line".to_owned()).help("join its parts with ` && `"));
    }
    if text.ends_with('\\') {
        return Some(
            mistake("an extra command ends with a continuation, but nothing follows".to_owned())
                .help("remove the `\\` at its end"),
        );
    }
    if !INSTRUCTIONS.contains(&upper.as_str()) {
        let mistake = mistake(format!("unknown Dockerfile instruction `{word}`"));
        return Some(match suggest(&upper, INSTRUCTIONS) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake.help(format!("to run a command, write `RUN {text}`")),
        });
    }
    let sources = context_sources(text);
    if let Some(source) = sources.first() {
        let message = format!("`{source}` is not there for an extra command to copy");
        return Some(mistake(message).help("declare it in `files`, which stages what it copies"));
    }
    None
}
