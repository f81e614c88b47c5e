//! The words of builders, understood: step numbers, exit codes, lines of a Dockerfile.
//!
//! Text only; the shapes around it (JSON lines, BuildKit's status) belong to the client of the engine.

use std::collections::VecDeque;

use super::BuildFailure;

/// Bytes kept of one line of output; a program that draws a progress bar with no line end writes megabytes.
const LINE_LIMIT: usize = 4096;

/// What a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Errors,
}

/// Cuts output into lines, whatever chunks it comes in, and remembers the last of them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The begun line of each stream: chunks of the two come in any order, and cut lines anywhere.
    partials: [Vec<u8>; 2],
    last: VecDeque<String>,
}

impl Lines {
    /// Takes bytes of a stream in and gives each finished line to `line`.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let partial = &mut self.partials[stream as usize];
            let room = LINE_LIMIT - partial.len().min(LINE_LIMIT);
            partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line(stream, &mut line);
            }
        }
    }

    /// Ends the lines that have no end, if there are any.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&str)) {
        self.end_line(Stream::Output, &mut line);
        self.end_line(Stream::Errors, &mut line);
    }

    fn end_line(&mut self, stream: Stream, line: &mut impl FnMut(&str)) {
        let partial = std::mem::take(&mut self.partials[stream as usize]);
        if partial.is_empty() {
            return;
        }
        let text = plain(&String::from_utf8_lossy(&partial));
        line(&text);
        if self.last.len() == BuildFailure::LINES {
            self.last.pop_front();
        }
        self.last.push_back(text);
    }

    /// Forgets what was seen: a new step begins.
    pub(super) fn clear(&mut self) {
        self.partials = Default::default();
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

#[cfg(test)]
mod tests {
    use super::*;

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
                lines.push(Stream::Output, bytes, |line| seen.push(line.to_owned()));
            }
            lines.finish(|line| seen.push(line.to_owned()));
            assert_eq!(seen, ["red", "done", "last ünfinished"], "chunks of {chunk}");
        }
    }

    #[test]
    fn a_line_cut_by_one_of_the_other_stream_comes_out_whole() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let chunks = [
            (Stream::Errors, "E"),
            (Stream::Output, "Reading package"),
            (Stream::Errors, ": Unable to locate package jq\n"),
            (Stream::Output, " lists...\n"),
        ];
        for (stream, text) in chunks {
            lines.push(stream, text.as_bytes(), |line| seen.push(line.to_owned()));
        }
        assert_eq!(
            seen,
            ["E: Unable to locate package jq", "Reading package lists..."]
        );
    }

    #[test]
    fn keeps_only_the_last_lines_and_no_endless_one() {
        let mut lines = Lines::default();
        for n in 0..100 {
            lines.push(Stream::Output, format!("line {n}\n").as_bytes(), |_| {});
        }
        assert_eq!((lines.last().len(), lines.last()[0].as_str()), (40, "line 60"));
        lines.clear();
        for _ in 0..100 {
            lines.push(Stream::Output, &[b'x'; 1000], |_| {});
        }
        lines.finish(|_| {});
        assert_eq!(lines.last()[0].len(), LINE_LIMIT);
    }
}
