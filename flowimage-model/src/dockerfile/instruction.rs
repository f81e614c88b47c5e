//! One instruction: its word, its flags, its arguments.

use super::DockerfileMistake;
use super::json::{self, Json};
use super::lines::LogicalLine;
use super::words::{self, Word};
use crate::tree::Position;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Line it starts on, from 1.
    pub line: usize,
    /// Its word, in upper case.
    pub word: String,
    /// Everything after the word, flags too, its lines joined as builders join them.
    pub arguments: String,
    pub(super) source: LogicalLine,
    pub(super) word_offset: usize,
    pub(super) flags: Vec<Flag>,
    rest_offset: usize,
}

/// `--name=value`, or `--name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) offset: usize,
}

impl Flag {
    /// Where the value starts in the instruction.
    pub(super) fn value_offset(&self) -> usize {
        self.offset + "--".len() + self.name.len() + "=".len()
    }
}

impl Instruction {
    /// Reads the instruction that starts at this byte of a line.
    pub(super) fn read(source: &LogicalLine, start: usize, escape: char) -> Self {
        let text = &source.text;
        let word_offset = start + text[start..].len() - text[start..].trim_start().len();
        let length = text[word_offset..]
            .find(char::is_whitespace)
            .unwrap_or(text.len() - word_offset);
        let after_word = word_offset + length;
        let mut flags = Vec::new();
        let mut rest_offset = text.len();
        for word in words::split(&text[after_word..], escape) {
            let offset = after_word + word.offset;
            let Some(flag) = word.text.strip_prefix("--") else {
                rest_offset = offset;
                break;
            };
            if flag.is_empty() {
                rest_offset = offset + "--".len();
                break;
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(unquoted(value, escape))),
                None => (flag, None),
            };
            flags.push(Flag {
                name: name.to_owned(),
                value,
                offset,
            });
        }
        Self {
            line: source.place(word_offset).line,
            word: text[word_offset..after_word].to_ascii_uppercase(),
            arguments: text[after_word..].trim().to_owned(),
            source: source.clone(),
            word_offset,
            flags,
            rest_offset,
        }
    }

    /// The word as written.
    pub(super) fn written_word(&self) -> &str {
        &self.source.text[self.word_offset..self.word_offset + self.word.len()]
    }

    /// What follows the flags.
    pub(super) fn rest(&self) -> &str {
        self.source.text[self.rest_offset..].trim_end()
    }

    /// What follows the flags, in words between white space.
    pub(super) fn words(&self) -> Vec<Word<'_>> {
        self.moved(words::plain(self.rest()))
    }

    /// What follows the flags, in words that quotes keep together.
    pub(super) fn quoted_words(&self, escape: char) -> Vec<Word<'_>> {
        self.moved(words::split(self.rest(), escape))
    }

    /// The arguments of an instruction that takes words or a JSON array of them, each with its byte.
    pub(super) fn list(&self, escape: char) -> Vec<(String, usize)> {
        match json::read(self.rest()) {
            Json::Strings(strings) => strings
                .into_iter()
                .map(|(text, offset)| (text, self.rest_offset + offset))
                .collect(),
            _ => self
                .words()
                .into_iter()
                .map(|word| (unquoted(word.text, escape), word.offset))
                .collect(),
        }
    }

    /// The instruction within `ONBUILD`, or the command of a `HEALTHCHECK`, read as one.
    pub(super) fn inner(&self, escape: char) -> Self {
        Self::read(&self.source, self.rest_offset, escape)
    }

    pub(super) fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// The byte in the line of one in [`Self::rest`].
    pub(super) fn in_rest(&self, offset: usize) -> usize {
        self.rest_offset + offset
    }

    pub(super) fn place(&self, offset: usize) -> Position {
        self.source.place(offset)
    }

    /// A mistake at a byte of the line.
    pub(super) fn mistake(&self, offset: usize, message: impl Into<String>) -> DockerfileMistake {
        DockerfileMistake::new(self.place(offset), message)
    }

    fn moved<'a>(&self, words: Vec<Word<'a>>) -> Vec<Word<'a>> {
        words
            .into_iter()
            .map(|word| Word {
                offset: word.offset + self.rest_offset,
                ..word
            })
            .collect()
    }
}

/// A word as the builder takes it where nothing is expanded: without its quotes and escapes.
pub(super) fn unquoted(word: &str, escape: char) -> String {
    let mut out = String::with_capacity(word.len());
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match quote {
            None if matches!(character, '"' | '\'') => quote = Some(character),
            Some(open) if open == character => quote = None,
            Some('\'') => out.push(character),
            Some(_) if character == escape => match characters.next() {
                Some(next) if matches!(next, '"' | '$') || next == escape => out.push(next),
                Some(next) => out.extend([character, next]),
                None => out.push(character),
            },
            None if character == escape => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    out
}
