//! A user's Dockerfile: read as builders read it, and looked at for what they would refuse or nobody can mean.
//!
//! Source: <https://docs.docker.com/reference/dockerfile/> and BuildKit's `frontend/dockerfile`. What only newer
//! builders know (here-documents, `--link`, `--parents`) is known here; whether the engine at hand knows it, it says.

mod check;
mod flags;
mod heredoc;
mod instruction;
mod json;
mod lines;
mod sources;
mod stages;
mod values;
mod words;

use crate::tree::Position;
use check::Found;
pub use instruction::Instruction;
use lines::LogicalLine;

/// A Dockerfile's instructions, in one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    instructions: Vec<Instruction>,
    doubts: Vec<DockerfileDoubt>,
    escape: char,
}

/// What is wrong with a Dockerfile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerfileMistake {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// What builders take but is most likely not meant; `allow` silences it by the lint's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerfileDoubt {
    /// The lint's name.
    pub lint: &'static str,
    /// Place, text and way out.
    pub mistake: DockerfileMistake,
}

impl DockerfileMistake {
    fn new(place: Position, message: impl Into<String>) -> Self {
        Self {
            line: place.line,
            column: place.column,
            message: message.into(),
            help: None,
        }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The lint of `EXPOSE` with a port of the host, which publishes nothing.
pub const PUBLISHED_PORT: &str = "published_port";

/// The lint of an exec form that is no JSON, so that a shell runs it.
pub const SHELL_FORM: &str = "shell_form";

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
    /// Reads the text of a Dockerfile and looks at all that is in it.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Vec<DockerfileMistake>> {
        let read = lines::read(text);
        let mut file = Self::of(&read);
        let mut found = Found {
            mistakes: read.mistakes,
            doubts: Vec::new(),
        };
        if let Some(place) = read.escape_place {
            found.mistakes.push(
                DockerfileMistake::new(
                    place,
                    "the escape directive changes how every later line is read, also those of the other keys",
                )
                .with_help("flowimage builds Linux images: remove it and continue lines with `\\`"),
            );
        }
        for instruction in &file.instructions {
            check::check(instruction, file.escape, &mut found);
        }
        stages::check(&file, &mut found);
        found.mistakes.sort_by_key(|it| (it.line, it.column));
        if found.mistakes.is_empty() {
            file.doubts = found.doubts;
            Ok(file)
        } else {
            Err(found.mistakes)
        }
    }

    /// Reads the text of a Dockerfile as far as it can be read, and looks at nothing.
    pub fn read(text: &str) -> Self {
        Self::of(&lines::read(text))
    }

    fn of(read: &lines::Lines) -> Self {
        Self {
            instructions: read
                .lines
                .iter()
                .map(|line| Instruction::read(line, 0, read.escape))
                .collect(),
            doubts: Vec::new(),
            escape: read.escape,
        }
    }

    /// The instructions, in order.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// What is most likely not meant.
    pub fn doubts(&self) -> &[DockerfileDoubt] {
        &self.doubts
    }

    /// The user that the last stage ends with, through the stages it stands on; `None` where no `USER` says so.
    pub fn final_user(&self) -> Option<String> {
        stages::read(self).pop().and_then(|stage| stage.user)
    }

    /// The image that the last stage stands on, through stages and the defaults of `ARG`s before the first
    /// `FROM`.
    pub fn final_base(&self) -> Option<String> {
        stages::read(self).pop().map(|stage| stage.base)
    }
}

/// What one instruction that stands alone takes from the build context.
pub fn context_sources(text: &str) -> Vec<String> {
    sources::of_context(&Instruction::read(&LogicalLine::alone(text), 0, '\\'), '\\')
        .into_iter()
        .map(|(source, _)| source)
        .collect()
}

/// Looks at one instruction that stands alone, such as one of `extra_dockerfile_commands`.
///
/// # Errors
/// Every mistake, with its column; the line is 1.
pub fn check_alone(text: &str) -> Result<Vec<DockerfileDoubt>, Vec<DockerfileMistake>> {
    let mut found = Found::default();
    let line = LogicalLine::alone(text);
    check::check(&Instruction::read(&line, 0, '\\'), '\\', &mut found);
    if let Some(document) = heredoc::opened_by(text, '\\').first() {
        found.mistakes.push(
            DockerfileMistake::new(
                line.place(document.offset),
                "a here-document needs lines of its own",
            )
            .with_help("put its text into a file and declare that in `files`"),
        );
    }
    if found.mistakes.is_empty() {
        Ok(found.doubts)
    } else {
        Err(found.mistakes)
    }
}

#[cfg(test)]
#[path = "dockerfile/tests.rs"]
mod tests;
