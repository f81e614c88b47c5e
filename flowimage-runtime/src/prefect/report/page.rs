//! Lines of the log in one piece of memory: as many as one request takes to the server.

use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Python's number: 10 for debug, 20 for information, 30 for warnings, 40 for errors.
    pub level: u8,
    /// Who says it: a module's path.
    pub name: &'a str,
    /// What is said.
    pub message: &'a str,
    /// When: microseconds since 1970, later than the line before.
    pub micros: u64,
}

/// Some lines, in order. One more costs no allocation of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Names and messages, one after the other.
    text: String,
    marks: Vec<Mark>,
}

/// Where a line's parts end in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    level: u8,
    name: usize,
    message: usize,
    micros: u64,
}

impl Page {
    /// Adds a line at the end.
    pub fn add(&mut self, line: Line<'_>) {
        self.text.push_str(line.name);
        let name = self.text.len();
        self.text.push_str(line.message);
        self.marks.push(Mark {
            level: line.level,
            name,
            message: self.text.len(),
            micros: line.micros,
        });
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let begins = std::iter::once(0).chain(self.marks.iter().map(|mark| mark.message));
        begins.zip(&self.marks).map(|(begin, mark)| Line {
            level: mark.level,
            name: self.text.get(begin..mark.name).unwrap_or_default(),
            message: self.text.get(mark.name..mark.message).unwrap_or_default(),
            micros: mark.micros,
        })
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// About as many bytes of memory.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&self.marks[..])
    }
}
