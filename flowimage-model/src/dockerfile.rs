//! What the renderer must know of a user's Dockerfile: its stages, and the user of the last one.

/// A Dockerfile's instructions as logical lines: continuations joined, comments left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Line it starts on, from 1.
    pub line: usize,
    /// Its word, in upper case.
    pub word: String,
    /// Everything after the word, continuations joined by a space.
    pub arguments: String,
}

/// What is wrong with a Dockerfile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerfileMistake {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// Instructions of a Dockerfile.
/// Source: <https://docs.docker.com/reference/dockerfile/>.
pub const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Dockerfile {
    /// Reads the text of a Dockerfile.
    ///
    /// # Errors
    /// Every word that is no instruction, a missing `FROM`, an escape directive that flowimage does not write.
    pub fn parse(text: &str) -> Result<Self, Vec<DockerfileMistake>> {
        let mut mistakes = Vec::new();
        let mut instructions: Vec<Instruction> = Vec::new();
        let mut heredocs: Vec<(String, bool)> = Vec::new();
        let mut continued = false;
        for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            if let Some((word, strip)) = heredocs.first() {
                let end = if *strip {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if end == word {
                    heredocs.remove(0);
                }
                continue;
            }
            let trimmed = line.trim();
            if trimmed.starts_with('#') {
                if instructions.is_empty() && !continued && is_foreign_escape(trimmed) {
                    mistakes.push(DockerfileMistake {
                        line: number + 1,
                        column: 1,
                        message: "the escape directive changes how every later line is read".to_owned(),
                        help: Some(
                            "flowimage builds Linux images: remove it and continue lines with `\\`"
                                .to_owned(),
                        ),
                    });
                }
                continue;
            }
            if trimmed.is_empty() {
                continue;
            }
            let (content, goes_on) = match trimmed.strip_suffix('\\') {
                Some(content) => (content.trim_end(), true),
                None => (trimmed, false),
            };
            if continued {
                if let Some(last) = instructions.last_mut() {
                    last.arguments.push(' ');
                    last.arguments.push_str(content);
                }
            } else {
                let (word, arguments) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
                let upper = word.to_ascii_uppercase();
                if !INSTRUCTIONS.contains(&upper.as_str()) {
                    let near = crate::suggest::suggest(&upper, INSTRUCTIONS);
                    mistakes.push(DockerfileMistake {
                        line: number + 1,
                        column: line.len() - line.trim_start().len() + 1,
                        message: format!("unknown instruction `{word}`"),
                        help: Some(match near {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => format!("expected one of: {}", INSTRUCTIONS.join(", ")),
                        }),
                    });
                }
                instructions.push(Instruction {
                    line: number + 1,
                    word: upper,
                    arguments: arguments.trim().to_owned(),
                });
            }
            continued = goes_on;
            if !continued
                && let Some(last) = instructions.last()
                && matches!(last.word.as_str(), "RUN" | "COPY" | "ADD")
            {
                heredocs = heredoc_words(&last.arguments);
            }
        }
        if !instructions.iter().any(|it| it.word == "FROM") {
            mistakes.push(DockerfileMistake {
                line: 1,
                column: 1,
                message: "no FROM: a Dockerfile starts from an image".to_owned(),
                help: Some("begin with `FROM debian:bookworm-slim`, say".to_owned()),
            });
        }
        if mistakes.is_empty() {
            Ok(Self { instructions })
        } else {
            Err(mistakes)
        }
    }

    /// The instructions, in order.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The user that the last stage ends with, through the stages it stands on; `None` where no `USER` says so.
    pub fn final_user(&self) -> Option<String> {
        self.stages().pop().and_then(|stage| stage.user)
    }

    /// The image that the last stage stands on, through stages and the defaults of `ARG`s before the first
    /// `FROM`.
    pub fn final_base(&self) -> Option<String> {
        self.stages().pop().map(|stage| stage.base)
    }

    fn stages(&self) -> Vec<Stage> {
        let mut stages: Vec<Stage> = Vec::new();
        let mut arguments: Vec<(String, String)> = Vec::new();
        for instruction in &self.instructions {
            match instruction.word.as_str() {
                "ARG" if stages.is_empty() => {
                    if let Some((name, value)) = instruction.arguments.split_once('=') {
                        arguments.push((name.trim().to_owned(), value.trim().trim_matches('"').to_owned()));
                    }
                }
                "USER" => {
                    if let Some(stage) = stages.last_mut() {
                        stage.user = Some(instruction.arguments.clone());
                    }
                }
                "FROM" => {
                    let mut words = instruction
                        .arguments
                        .split_whitespace()
                        .filter(|word| !word.starts_with("--"));
                    let image = words.next().unwrap_or_default();
                    let name = match (words.next(), words.next()) {
                        (Some(word), Some(name)) if word.eq_ignore_ascii_case("as") => {
                            Some(name.to_ascii_lowercase())
                        }
                        _ => None,
                    };
                    let image = crate::escape::expand_env(image, &|wanted| {
                        arguments
                            .iter()
                            .rev()
                            .find(|(name, _)| name == wanted)
                            .map(|(_, value)| value.clone())
                    });
                    let wanted = image.to_ascii_lowercase();
                    let below = stages
                        .iter()
                        .rev()
                        .find(|stage| stage.name.as_deref() == Some(&wanted));
                    let (base, user) =
                        below.map_or((image, None), |stage| (stage.base.clone(), stage.user.clone()));
                    stages.push(Stage { name, base, user });
                }
                _ => {}
            }
        }
        stages
    }
}

/// One stage: its name, the external image it stands on in the end, and its user.
struct Stage {
    name: Option<String>,
    base: String,
    user: Option<String>,
}

fn is_foreign_escape(comment: &str) -> bool {
    comment[1..]
        .split_once('=')
        .is_some_and(|(name, value)| name.trim().eq_ignore_ascii_case("escape") && value.trim() != "\\")
}

/// The here-documents that a command opens, with whether leading tabs of their end are dropped.
fn heredoc_words(arguments: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    for word in arguments.split_whitespace() {
        let word = word.trim_start_matches(|it: char| it.is_ascii_digit());
        let Some(rest) = word.strip_prefix("<<") else {
            continue;
        };
        let (rest, strip) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        let name = rest.trim_matches(['"', '\'']);
        if !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            words.push((name.to_owned(), strip));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_base_and_user_through_stages() {
        let text = "# syntax=x\nARG V=12\nFROM debian:${V} AS base\nUSER app\nRUN a \\\n  # note\n  b\nFROM scratch as other\nFROM base\nRUN cat <<EOF > /x\nUSER nobody\nEOF\n";
        let parsed = Dockerfile::parse(text).unwrap();
        assert_eq!(parsed.final_base().as_deref(), Some("debian:12"));
        assert_eq!(parsed.final_user().as_deref(), Some("app"));
        assert_eq!(
            parsed
                .instructions()
                .iter()
                .find(|it| it.word == "RUN")
                .unwrap()
                .arguments,
            "a b"
        );
    }

    #[test]
    fn says_every_mistake_with_its_line() {
        let found = Dockerfile::parse("RUNN x\n  COPPY a b\n").unwrap_err();
        assert_eq!(
            found.iter().map(|it| (it.line, it.column)).collect::<Vec<_>>(),
            [(1, 1), (2, 3), (1, 1)]
        );
        assert_eq!(found[0].help.as_deref(), Some("did you mean `RUN`?"));
        assert!(Dockerfile::parse("# escape=`\nFROM x\n").is_err());
    }
}
