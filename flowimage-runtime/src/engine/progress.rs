//! The words of builders, understood: step numbers, exit codes, lines of a Dockerfile.
//!
//! Text only; the shapes around it (JSON lines, BuildKit's status) belong to the client of the engine.

use std::collections::VecDeque;

use super::BuildFailure;

/// Bytes kept of one line of output; a program that draws a progress bar with no line end writes megabytes.
const LINE_LIMIT: usize = 4096;

/// Cuts output into lines, whatever chunks it comes in, and remembers the last of them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    last: VecDeque<String>,
}

impl Lines {
    /// Takes bytes in and gives each finished line to `line`.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_LIMIT - self.partial.len().min(LINE_LIMIT);
            self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish(&mut line);
            }
        }
    }

    /// Ends the line that has no end, if there is one.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if self.partial.is_empty() {
            return;
        }
        let text = plain(&String::from_utf8_lossy(&std::mem::take(&mut self.partial)));
        line(&text);
        if self.last.len() == BuildFailure::LINES {
            self.last.pop_front();
        }
        self.last.push_back(text);
    }

    /// Forgets what was seen: a new step begins.
    pub(super) fn clear(&mut self) {
        self.partial.clear();
        self.last.clear();
    }

    /// The last lines, oldest first.
    pub(super) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}

/// A line without terminal escapes, control characters, and all that a carriage return has overwritten.
pub(super) fn plain(line: &str) -> String {
    let line = line.trim_end_matches(['\n', '\r']);
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                // CSI: parameters, then one final character from `@` to `~`.
                Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // OSC: until BEL or the string terminator.
                Some(']') => {
                    while let Some(c) = characters.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\t' => text.push('\t'),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// A step as builders announce it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announced<'a> {
    pub(super) stage: Option<&'a str>,
    pub(super) index: Option<u32>,
    pub(super) total: Option<u32>,
    pub(super) name: &'a str,
}

/// `Step 2/3 : RUN true` (Docker) or `STEP 2/3: RUN true` (Podman, also `[1/2] STEP 2/3: …`).
pub(super) fn classic_step(line: &str) -> Option<Announced<'_>> {
    let (stage, rest) = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((stage, rest)) => (Some(stage), rest),
        None => (None, line),
    };
    let rest = rest
        .strip_prefix("Step ")
        .or_else(|| rest.strip_prefix("STEP "))?;
    let (numbers, name) = rest.split_once(':')?;
    let (index, total) = numbers.trim().split_once('/')?;
    Some(Announced {
        stage,
        index: Some(index.parse().ok()?),
        total: Some(total.parse().ok()?),
        name: name.trim(),
    })
}

/// `[2/3] RUN true`, `[builder 2/3] RUN true`, `[internal] load metadata…`, `exporting to image` (BuildKit).
pub(super) fn buildkit_step(name: &str) -> Announced<'_> {
    let plain = Announced {
        stage: None,
        index: None,
        total: None,
        name,
    };
    let Some((bracket, rest)) = name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return plain;
    };
    let (stage, numbers) = match bracket.trim().rsplit_once(' ') {
        Some((stage, numbers)) => (Some(stage.trim()), numbers),
        None => (None, bracket.trim()),
    };
    let parsed = numbers
        .split_once('/')
        .and_then(|(index, total)| Some((index.parse().ok()?, total.parse().ok()?)));
    match parsed {
        Some((index, total)) => Announced {
            stage,
            index: Some(index),
            total: Some(total),
            name: rest,
        },
        None => plain,
    }
}

/// The exit status in the builder's words, which is the only place where it is said.
///
/// Docker's classic builder: `returned a non-zero code: 7`; BuildKit: `exit code: 7`; Podman: `exit status 7`.
pub(super) fn exit_code(message: &str) -> Option<i64> {
    ["returned a non-zero code: ", "exit code: ", "exit status "]
        .iter()
        .filter_map(|mark| message.rfind(mark).map(|at| &message[at + mark.len()..]))
        .find_map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
}

/// The line that a parser names: `dockerfile parse error line 2: …`, `dockerfile parse error on line 2: …`.
pub(super) fn parse_error_line(message: &str) -> Option<usize> {
    let rest = &message[message.to_ascii_lowercase().find("parse error")?..];
    let rest = &rest[rest.find("line ")? + "line ".len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// One instruction of a Dockerfile.
#[derive(Debug, PartialEq, Eq)]
struct Instruction {
    line: usize,
    text: String,
}

/// The first line of the instruction that a builder announced.
///
/// Docker's classic builder numbers all instructions, so its number is enough where it fits the text. Others
/// show the instruction with variables expanded and spaces changed, and number those of one stage only; the
/// text decides, and where it is not found as it stands, the number within the stage does.
pub(super) fn line_of(
    dockerfile: &str,
    announced: &Announced<'_>,
    every_instruction_counts: bool,
) -> Option<usize> {
    let instructions = instructions(dockerfile);
    let wanted = squeeze(announced.name);
    let same: Vec<&Instruction> = instructions.iter().filter(|i| i.text == wanted).collect();
    let at_index = announced.index.and_then(|index| {
        if every_instruction_counts {
            instructions.get(index.checked_sub(1)? as usize)
        } else {
            numbered_in_stage(&instructions, announced.stage, index, announced.total?)
        }
    });
    match (&same[..], at_index) {
        (_, Some(numbered)) if same.contains(&numbered) => Some(numbered.line),
        ([only], _) => Some(only.line),
        (_, Some(numbered)) if keyword(&numbered.text) == keyword(&wanted) => Some(numbered.line),
        ([first, ..], _) => Some(first.line),
        _ => None,
    }
}

/// BuildKit numbers `FROM` and the instructions that make a layer, stage by stage.
fn numbered_in_stage<'a>(
    instructions: &'a [Instruction],
    stage: Option<&str>,
    index: u32,
    total: u32,
) -> Option<&'a Instruction> {
    let mut stages: Vec<(Option<String>, Vec<&Instruction>)> = Vec::new();
    for instruction in instructions {
        let words: Vec<&str> = instruction.text.split(' ').collect();
        match keyword(&instruction.text).as_str() {
            "FROM" => {
                let name = words
                    .iter()
                    .position(|word| word.eq_ignore_ascii_case("as"))
                    .and_then(|at| words.get(at + 1))
                    .map(|name| name.to_lowercase());
                stages.push((name, vec![instruction]));
            }
            "RUN" | "COPY" | "ADD" | "WORKDIR" => {
                if let Some((_, counted)) = stages.last_mut() {
                    counted.push(instruction);
                }
            }
            _ => {}
        }
    }
    let numbered = stages.iter().enumerate().find(|(position, (name, counted))| {
        let named = match stage {
            Some(stage) => name.as_deref() == Some(stage) || stage == format!("stage-{position}"),
            None => true,
        };
        named && counted.len() == total as usize
    });
    numbered.and_then(|(_, (_, counted))| counted.get(index.checked_sub(1)? as usize).copied())
}

fn keyword(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_ascii_uppercase()
}

/// Instructions with continued lines joined, comments dropped, spaces squeezed and here-documents skipped.
///
/// Not a parser: a wrong guess costs a line number in a message.
fn instructions(dockerfile: &str) -> Vec<Instruction> {
    let escape = escape_character(dockerfile);
    let mut found = Vec::new();
    let mut lines = dockerfile.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut text = String::new();
        let mut piece = line;
        loop {
            let trimmed = piece.trim_end();
            match trimmed.strip_suffix(escape) {
                Some(continued) => text.push_str(continued),
                None => {
                    text.push_str(trimmed);
                    break;
                }
            }
            let next = lines.by_ref().find(|(_, line)| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#')
            });
            match next {
                Some((_, line)) => piece = line,
                None => break,
            }
        }
        for mark in heredocs(&text) {
            let _ = lines
                .by_ref()
                .find(|(_, line)| line.trim_start_matches('\t') == mark);
        }
        found.push(Instruction {
            line: number + 1,
            text: squeeze(&text),
        });
    }
    found
}

/// The parser directive `# escape=…`, allowed only before everything else.
fn escape_character(dockerfile: &str) -> char {
    dockerfile
        .lines()
        .map_while(|line| line.trim().strip_prefix('#'))
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("escape"))
        .and_then(|(_, value)| value.trim().chars().next())
        .unwrap_or('\\')
}

fn heredocs(instruction: &str) -> Vec<String> {
    if !matches!(keyword(instruction.trim_start()).as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    instruction
        .split_whitespace()
        .filter_map(|word| word.split_once("<<").map(|(_, mark)| mark))
        .map(|mark| mark.trim_start_matches('-').trim_matches(['"', '\'']).to_owned())
        .filter(|mark| !mark.is_empty() && mark.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect()
}

fn squeeze(text: &str) -> String {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    words.fold(first, |mut text, word| {
        text.push(' ');
        text.push_str(word);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = "\
# syntax is the built-in one
ARG BASE=debian
FROM ${BASE} AS build
ENV A=1
RUN apt-get update && \\
    # a comment inside
    apt-get install -y \\
      gcc

COPY . /src
run  make $A
FROM scratch
COPY --from=build /src/out /out
RUN true
";

    fn step(name: &str, stage: Option<&'static str>, index: u32, total: u32) -> Option<usize> {
        let announced = Announced {
            stage,
            index: Some(index),
            total: Some(total),
            name,
        };
        line_of(DOCKERFILE, &announced, stage == Some("every"))
    }

    #[test]
    fn finds_the_line_by_text_and_by_number() {
        assert_eq!(
            step(
                "RUN apt-get update &&     apt-get install -y       gcc",
                Some("build"),
                2,
                4
            ),
            Some(5)
        );
        assert_eq!(
            step("RUN make 1", Some("build"), 4, 4),
            Some(11),
            "expanded, so only the number fits"
        );
        assert_eq!(
            step("COPY --from=build /src/out /out", Some("stage-1"), 2, 3),
            Some(13)
        );
        assert_eq!(step("RUN true", Some("every"), 9, 9), Some(14));
        assert_eq!(step("FROM ${BASE} AS build", Some("every"), 2, 9), Some(3));
        assert_eq!(step("RUN nothing like it", None, 9, 12), None);
    }

    #[test]
    fn skips_here_documents() {
        let text = "FROM a\nRUN <<EOF\nFROM b\nRUN false\nEOF\nRUN false\n";
        let lines: Vec<usize> = instructions(text).iter().map(|i| i.line).collect();
        assert_eq!(lines, [1, 2, 6]);
    }

    #[test]
    fn honours_the_escape_directive() {
        let text = "# escape=`\nFROM a\nRUN a `\n b\nRUN c\\\nRUN d\n";
        let lines: Vec<usize> = instructions(text).iter().map(|i| i.line).collect();
        assert_eq!(lines, [2, 3, 5, 6]);
    }

    #[test]
    fn reads_announcements() {
        assert_eq!(classic_step("Step 2/3 : RUN a : b").unwrap().name, "RUN a : b");
        assert_eq!(classic_step("[1/2] STEP 2/3: RUN x").unwrap().stage, Some("1/2"));
        assert_eq!(classic_step("Stepping stones"), None);
        let step = buildkit_step("[build 2/13] RUN make");
        assert_eq!(
            (step.stage, step.index, step.total, step.name),
            (Some("build"), Some(2), Some(13), "RUN make")
        );
        assert_eq!(buildkit_step("[internal] load build context").index, None);
        assert_eq!(buildkit_step("[ 2/13] RUN make").index, Some(2));
    }

    #[test]
    fn reads_exit_codes_and_parse_errors() {
        for (message, code) in [
            (
                "The command '/bin/sh -c exit 7' returned a non-zero code: 7",
                Some(7),
            ),
            (
                "executor failed running [/bin/sh -c exit 7]: exit code: 7",
                Some(7),
            ),
            (
                "process \"/bin/sh -c echo exit code: 3; exit 12\" did not complete successfully: exit code: 12",
                Some(12),
            ),
            (
                "error building at STEP \"RUN exit 7\": error while running runtime: exit status 7",
                Some(7),
            ),
            ("COPY failed: file not found", None),
        ] {
            assert_eq!(exit_code(message), code, "{message}");
        }
        assert_eq!(
            parse_error_line("dockerfile parse error line 2: unknown instruction: RUNN"),
            Some(2)
        );
        assert_eq!(parse_error_line("dockerfile parse error on line 12: x"), Some(12));
        assert_eq!(parse_error_line("no line 3 here"), None);
    }

    #[test]
    fn lines_come_out_whole_whatever_the_chunks() {
        let output = "\u{1b}[31mred\u{1b}[0m\n10%\r20%\rdone\nlast ünfinished".as_bytes();
        for chunk in 1..output.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for bytes in output.chunks(chunk) {
                lines.push(bytes, |line| seen.push(line.to_owned()));
            }
            lines.finish(|line| seen.push(line.to_owned()));
            assert_eq!(seen, ["red", "done", "last ünfinished"], "chunks of {chunk}");
        }
    }

    #[test]
    fn keeps_only_the_last_lines_and_no_endless_one() {
        let mut lines = Lines::default();
        for n in 0..100 {
            lines.push(format!("line {n}\n").as_bytes(), |_| {});
        }
        assert_eq!((lines.last().len(), lines.last()[0].as_str()), (40, "line 60"));
        lines.clear();
        for _ in 0..100 {
            lines.push(&[b'x'; 1000], |_| {});
        }
        lines.finish(|_| {});
        assert_eq!(lines.last()[0].len(), LINE_LIMIT);
    }
}
