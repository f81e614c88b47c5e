//! From a text to its instructions as one line each: directives, comments, continuations, here-documents.

use super::{DockerfileMistake, heredoc};
use crate::tree::Position;

/// An instruction as a builder reads it, in one line, with the place of each character in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogicalLine {
    pub(super) text: String,
    /// Where each of the joined pieces begins in `text`, and stands in the file.
    pieces: Vec<(usize, Position)>,
}

impl LogicalLine {
    /// A text that stands alone, as an extra command does.
    pub(super) fn alone(text: &str) -> Self {
        let mut line = Self {
            text: String::new(),
            pieces: Vec::new(),
        };
        line.push(text, Position { line: 1, column: 1 });
        line
    }

    fn push(&mut self, piece: &str, place: Position) {
        self.pieces.push((self.text.len(), place));
        self.text.push_str(piece);
    }

    /// Where a byte of the joined text stands in the file.
    pub(super) fn place(&self, offset: usize) -> Position {
        let piece = self.pieces.iter().rev().find(|(start, _)| *start <= offset);
        let (start, place) = piece.copied().unwrap_or((0, Position { line: 1, column: 1 }));
        let before = self.text.get(start..offset).unwrap_or_default();
        Position {
            line: place.line,
            column: place.column + before.chars().count(),
        }
    }
}

/// A text cut into its instructions.
pub(super) struct Lines {
    pub(super) lines: Vec<LogicalLine>,
    /// What continues a line and protects characters: `\`, or a backquote where the directive says so.
    pub(super) escape: char,
    /// Where the directive that says so stands.
    pub(super) escape_place: Option<Position>,
    pub(super) mistakes: Vec<DockerfileMistake>,
}

/// Reads a text. Source: BuildKit `frontend/dockerfile/parser`, `Parse` in `parser.go`, `directives.go`.
pub(super) fn read(text: &str) -> Lines {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Lines {
        lines: Vec::new(),
        escape: '\\',
        escape_place: None,
        mistakes: Vec::new(),
    };
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut directives: Option<Vec<String>> = Some(Vec::new());
    while let Some((number, line)) = lines.next() {
        let start = line.len() - line.trim_start().len();
        let content = &line[start..];
        let place = Position {
            line: number,
            column: line[..start].chars().count() + 1,
        };
        if content.starts_with('#') {
            directives = directives.and_then(|seen| found.directive(content, place, seen));
            continue;
        }
        directives = None;
        if content.is_empty() {
            continue;
        }
        let mut joined = LogicalLine {
            text: String::new(),
            pieces: Vec::new(),
        };
        let (piece, mut goes_on) = continued(content, found.escape);
        joined.push(piece, place);
        while goes_on {
            let Some((number, line)) = lines.next() else {
                found.mistakes.push(
                    DockerfileMistake::new(
                        joined.place(joined.text.len()),
                        "the last line is continued, but nothing follows",
                    )
                    .with_help(format!("remove the `{}` at its end", found.escape)),
                );
                break;
            };
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let (piece, more) = continued(line, found.escape);
            joined.push(
                piece,
                Position {
                    line: number,
                    column: 1,
                },
            );
            goes_on = more;
        }
        for document in heredoc::opened_by(&joined.text, found.escape) {
            let ends = |line: &str| {
                let line = if document.strips_tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                line == document.name
            };
            if !lines.by_ref().any(|(_, line)| ends(line)) {
                found.mistakes.push(DockerfileMistake::new(
                    joined.place(document.offset),
                    format!(
                        "no line ends the here-document: expected `{}` alone on a line",
                        document.name
                    ),
                ));
            }
        }
        if !joined.text.trim().is_empty() {
            found.lines.push(joined);
        }
    }
    found
}

impl Lines {
    /// Reads a comment that may be a directive; `None` where directives are over.
    fn directive(&mut self, comment: &str, place: Position, mut seen: Vec<String>) -> Option<Vec<String>> {
        let (name, value) = comment.trim_start_matches('#').split_once('=')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if !matches!(name.as_str(), "syntax" | "escape" | "check") || value.is_empty() {
            return None;
        }
        if seen.contains(&name) {
            self.mistakes.push(DockerfileMistake::new(
                place,
                format!("the directive `{name}` stands twice"),
            ));
        }
        if name == "escape" {
            match value {
                "\\" => {}
                "`" => {
                    self.escape = '`';
                    self.escape_place = Some(place);
                }
                _ => self.mistakes.push(DockerfileMistake::new(
                    place,
                    format!("`{value}` cannot be the escape character: expected a backslash or a backquote"),
                )),
            }
        }
        seen.push(name);
        Some(seen)
    }
}

/// A line without its continuation, and whether there was one.
fn continued(line: &str, escape: char) -> (&str, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        // Two of them are one that is meant.
        Some(content) if !content.ends_with(escape) => (content, true),
        _ => (line, false),
    }
}
