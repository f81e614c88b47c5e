//! What is wrong in an instruction, with a builder that refuses it or with a meaning nobody intends.

use super::instruction::Instruction;
use super::json::{self, Json};
use super::words::{self, Word};
use super::{DockerfileDoubt, DockerfileMistake, INSTRUCTIONS, PUBLISHED_PORT, SHELL_FORM, flags, values};
use crate::suggest::{instead, suggest};

/// What a look at instructions found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<DockerfileMistake>,
    pub(super) doubts: Vec<DockerfileDoubt>,
}

/// Looks at one instruction by itself.
pub(super) fn check(instruction: &Instruction, escape: char, found: &mut Found) {
    let mut check = Check {
        instruction,
        escape,
        found,
    };
    if !INSTRUCTIONS.contains(&instruction.word.as_str()) {
        return check.unknown();
    }
    let before = check.found.mistakes.len();
    flags::check(instruction, &mut check.found.mistakes);
    if instruction.rest().is_empty() {
        // A command that begins with `--` was taken for a flag.
        if check.found.mistakes.len() > before {
            return;
        }
        return check.mistake(
            instruction.word_offset,
            format!("`{}` has no argument", instruction.word),
            example(&instruction.word),
        );
    }
    match instruction.word.as_str() {
        "FROM" => check.from(),
        "ADD" | "COPY" => check.copy(),
        "ENV" | "LABEL" => check.pairs(),
        "ARG" => check.arguments(),
        "RUN" | "CMD" | "ENTRYPOINT" => check.command(instruction),
        "SHELL" => check.shell(),
        "VOLUME" => check.volume(),
        "EXPOSE" => check.expose(),
        "HEALTHCHECK" => check.healthcheck(),
        "ONBUILD" => check.onbuild(),
        "STOPSIGNAL" => check.stop_signal(),
        "USER" => check.user(),
        "WORKDIR" => check.quotes(),
        _ => {}
    }
}

/// What the instruction looks like, for one that is empty.
fn example(word: &str) -> &'static str {
    match word {
        "ADD" | "COPY" => "write sources and a destination: `COPY config/ /etc/app/`",
        "ARG" => "write `ARG NAME` or `ARG NAME=default`",
        "CMD" | "ENTRYPOINT" => "write a command as a JSON array: `[\"program\", \"argument\"]`",
        "ENV" | "LABEL" => "write `NAME=value`",
        "EXPOSE" => "write a port: `EXPOSE 8080`",
        "FROM" => "write an image: `FROM debian:bookworm-slim`",
        "HEALTHCHECK" => "write `HEALTHCHECK CMD command`, or `HEALTHCHECK NONE`",
        "ONBUILD" => "write the instruction: `ONBUILD RUN make`",
        "RUN" => "write a command: `RUN apt-get update`",
        "SHELL" => "write a JSON array: `SHELL [\"/bin/bash\", \"-c\"]`",
        "STOPSIGNAL" => "write a signal: `STOPSIGNAL SIGTERM`",
        "USER" => "write a user: `USER 1000:1000`",
        _ => "write a path: `/data`",
    }
}

struct Check<'a> {
    instruction: &'a Instruction,
    escape: char,
    found: &'a mut Found,
}

impl Check<'_> {
    fn mistake(&mut self, offset: usize, message: impl Into<String>, help: impl Into<String>) {
        let mistake = self.instruction.mistake(offset, message).with_help(help);
        self.found.mistakes.push(mistake);
    }

    fn doubt(
        &mut self,
        lint: &'static str,
        offset: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let mistake = self.instruction.mistake(offset, message).with_help(help);
        self.found.doubts.push(DockerfileDoubt { lint, mistake });
    }

    fn unknown(&mut self) {
        let instruction = self.instruction;
        let help = instead(&instruction.word, &INSTRUCTIONS);
        self.mistake(
            instruction.word_offset,
            format!("unknown instruction `{}`", instruction.written_word()),
            help,
        );
    }

    fn from(&mut self) {
        let words = self.instruction.words();
        match words.as_slice() {
            [_] => {}
            [_, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => {
                let lower = name.text.to_ascii_lowercase();
                let fits = lower.starts_with(|it: char| it.is_ascii_lowercase())
                    && lower
                        .bytes()
                        .all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
                if !fits {
                    self.mistake(
                        name.offset,
                        format!("`{}` cannot name a stage", name.text),
                        "a name starts with a letter; letters, digits, `-`, `_` and `.` follow",
                    );
                }
            }
            [_, keyword] if keyword.text.eq_ignore_ascii_case("as") => self.mistake(
                keyword.offset,
                "`AS` names no stage",
                "write a name after it, or remove it",
            ),
            [_, second, ..] => self.mistake(
                second.offset,
                "`FROM` takes one image, and a name after `AS`",
                "write `FROM image`, or `FROM image AS name`",
            ),
            [] => {}
        }
        if let Some(image) = words.first()
            && !image.text.contains('$')
            && let Err(error) = image.text.parse::<crate::declaration::Base>()
        {
            let help = error
                .help()
                .unwrap_or("write an image such as `debian:bookworm-slim`");
            self.mistake(image.offset, error.message(), help);
        }
    }

    fn copy(&mut self) {
        let word = &self.instruction.word;
        self.malformed_list();
        let list = self.instruction.list(self.escape);
        let (destination, at) = match list.as_slice() {
            [.., destination] if list.len() > 1 => destination,
            _ => {
                return self.mistake(
                    self.instruction.in_rest(0),
                    format!("`{word}` has a source but no destination"),
                    format!(
                        "write where it goes in the image: `{word} {} /app/`",
                        self.instruction.rest()
                    ),
                );
            }
        };
        if super::heredoc::is_one(destination) {
            return self.mistake(*at, "a here-document cannot be the destination", example(word));
        }
        let documents = list
            .iter()
            .filter(|(text, _)| super::heredoc::is_one(text))
            .count();
        let folder = destination.ends_with('/')
            || destination.contains('$')
            || matches!(destination.as_str(), "." | "..");
        if list.len() > 2 && documents < list.len() - 1 && !folder {
            self.mistake(
                *at,
                format!("several sources go to `{destination}`, which is no folder"),
                format!("write `{destination}/`"),
            );
        }
    }

    /// `ENV`, `LABEL`: pairs, or in the old form one name and its value.
    fn pairs(&mut self) {
        let word = &self.instruction.word;
        let words = self.instruction.quoted_words(self.escape);
        let Some(first) = words.first() else { return };
        if !first.text.contains('=') {
            return match words.get(1) {
                None => self.mistake(
                    first.offset,
                    format!("`{}` has no value", first.text),
                    format!("write `{word} {}=value`", first.text),
                ),
                Some(second) if second.text.starts_with('=') => {
                    let value = second.text.trim_start_matches('=');
                    let value = words
                        .get(2)
                        .filter(|_| value.is_empty())
                        .map_or(value, |it| it.text);
                    self.mistake(
                        second.offset,
                        format!("`{}` would be set to a text that begins with `=`", first.text),
                        format!("no blanks around it: `{word} {}={value}`", first.text),
                    );
                }
                Some(_) => {}
            };
        }
        for pair in &words {
            match pair.text.split_once('=') {
                None => self.mistake(
                    pair.offset,
                    format!("`{}` has no `=`", pair.text),
                    "put a value with blanks in double quotes: `NAME=\"two words\"`",
                ),
                Some(("", _)) => self.mistake(
                    pair.offset,
                    "a name is missing before `=`",
                    "no blanks around it: `NAME=value`",
                ),
                Some(_) => {}
            }
        }
        self.quotes();
    }

    fn arguments(&mut self) {
        for word in self.instruction.quoted_words(self.escape) {
            let name = word.text.split_once('=').map_or(word.text, |(name, _)| name);
            if name.is_empty() {
                self.mistake(
                    word.offset,
                    "a name is missing before `=`",
                    "no blanks around it: `ARG NAME=default`",
                );
            }
        }
        self.quotes();
    }

    fn quotes(&mut self) {
        if let Some(offset) = words::unclosed_quote(self.instruction.rest(), self.escape) {
            self.mistake(
                self.instruction.in_rest(offset),
                "nothing ends this quote",
                format!(
                    "end it, or write `{}` before it where it stands for itself",
                    self.escape
                ),
            );
        }
    }

    /// `RUN`, `CMD`, `ENTRYPOINT`, and the command of a `HEALTHCHECK`.
    fn command(&mut self, command: &Instruction) {
        match json::read(command.rest()) {
            Json::Other(offset) => self.mistake(
                command.in_rest(offset),
                "a JSON array of strings has something else in it",
                "put each word in double quotes",
            ),
            Json::Malformed(offset) => {
                // `[ -f x ]` is a command, but no shell knows `["a"`.
                let meant = command.word != "RUN" || command.rest()[1..].starts_with(['"', '\'']);
                if meant {
                    self.doubt(
                        SHELL_FORM,
                        command.in_rest(offset),
                        "this is no JSON, so that a shell would run it, brackets and all",
                        "write words in double quotes with commas between them: `[\"program\", \"argument\"]`",
                    );
                }
            }
            Json::No | Json::Strings(_) => {}
        }
    }

    fn malformed_list(&mut self) {
        match json::read(self.instruction.rest()) {
            Json::Other(offset) => self.mistake(
                self.instruction.in_rest(offset),
                "a JSON array of strings has something else in it",
                "put each word in double quotes",
            ),
            Json::Malformed(offset) if self.instruction.rest().ends_with(']') => self.mistake(
                self.instruction.in_rest(offset),
                "this is no JSON, so that brackets and commas would be taken for parts of paths",
                "write words in double quotes with commas between them: `[\"a\", \"b\"]`",
            ),
            _ => {}
        }
    }

    fn volume(&mut self) {
        self.malformed_list();
        for (path, offset) in self.instruction.list(self.escape) {
            if path.trim().is_empty() {
                self.mistake(offset, "an empty path cannot be a volume", example("VOLUME"));
            }
        }
    }

    fn shell(&mut self) {
        let rest = self.instruction.rest();
        match json::read(rest) {
            Json::Strings(strings) if !strings.is_empty() => {}
            Json::Strings(_) => self.mistake(
                self.instruction.in_rest(0),
                "`SHELL` has no argument",
                example("SHELL"),
            ),
            Json::Other(offset) | Json::Malformed(offset) => {
                self.mistake(
                    self.instruction.in_rest(offset),
                    "`SHELL` takes a JSON array, which this is not",
                    example("SHELL"),
                );
            }
            Json::No => self.mistake(
                self.instruction.in_rest(0),
                "`SHELL` takes a JSON array",
                example("SHELL"),
            ),
        }
    }

    fn expose(&mut self) {
        for Word { text, offset } in self.instruction.words() {
            match values::port(text) {
                Ok(values::Port::Container) => {}
                Ok(values::Port::Published(container)) => self.doubt(
                    PUBLISHED_PORT,
                    offset,
                    format!("`{text}` publishes nothing: `EXPOSE` only names the container's port"),
                    format!("write `{container}`, and publish it where the container is started"),
                ),
                Err(why) => self.mistake(
                    offset,
                    format!("`{text}` is no port: {why}"),
                    "write `8080`, `8080/udp` or `8080-8090`",
                ),
            }
        }
    }

    fn healthcheck(&mut self) {
        let words = self.instruction.words();
        let Some(kind) = words.first() else { return };
        match kind.text.to_ascii_uppercase().as_str() {
            "NONE" => {
                if let Some(extra) = words.get(1) {
                    self.mistake(
                        extra.offset,
                        "`HEALTHCHECK NONE` takes nothing",
                        "remove what follows it",
                    );
                }
            }
            "CMD" => {
                let command = self.instruction.inner(self.escape);
                if command.rest().is_empty() {
                    self.mistake(
                        kind.offset,
                        "`HEALTHCHECK CMD` has no command",
                        "write the command after it: `HEALTHCHECK CMD curl -f http://localhost/`",
                    );
                } else {
                    self.command(&command);
                }
            }
            _ => self.mistake(
                kind.offset,
                format!("`HEALTHCHECK` takes `CMD` or `NONE`, not `{}`", kind.text),
                format!("write `HEALTHCHECK CMD {}`", self.instruction.rest()),
            ),
        }
    }

    fn onbuild(&mut self) {
        let inner = self.instruction.inner(self.escape);
        match inner.word.as_str() {
            "ONBUILD" => self.mistake(
                inner.word_offset,
                "`ONBUILD` cannot hold another `ONBUILD`",
                "write it once",
            ),
            "FROM" | "MAINTAINER" => self.mistake(
                inner.word_offset,
                format!("`ONBUILD` cannot hold `{}`", inner.word),
                "it holds what is done in an image that stands on this one: `ONBUILD RUN make`",
            ),
            _ => check(&inner, self.escape, self.found),
        }
    }

    fn stop_signal(&mut self) {
        let signal = self.instruction.rest();
        if !signal.contains('$') && !values::is_signal(signal) {
            let upper = signal.to_ascii_uppercase();
            let help = match suggest(upper.strip_prefix("SIG").unwrap_or(&upper), values::SIGNALS) {
                Some(near) => format!("did you mean `SIG{near}`?"),
                None => "write a signal such as `SIGTERM`, or its number".to_owned(),
            };
            self.mistake(
                self.instruction.in_rest(0),
                format!("`{signal}` is no signal"),
                help,
            );
        }
    }

    fn user(&mut self) {
        let words = self.instruction.quoted_words(self.escape);
        if let Some(second) = words.get(1) {
            self.mistake(
                second.offset,
                "a user is one word",
                "write `USER name`, or `USER name:group`",
            );
        }
        self.quotes();
    }
}
