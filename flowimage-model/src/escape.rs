//! The only place with quoting rules: text as a Dockerfile, a JSON array or a shell must have it.
//!
//! # What a declared value means
//!
//! The values of `env_vars` and `build_args` are read by these rules, which [`env_value`] writes down for a builder
//! and [`expand_env`] carries out where there is none:
//!
//! - `$NAME` and `${NAME}` stand for the variable, or for nothing where it is not set. A name is an ASCII letter or
//!   `_`, then ASCII letters, digits and `_`.
//! - `${NAME:-word}` is `word` where the variable is not set or empty, `${NAME:+word}` is `word` where it is not; the
//!   word follows these rules itself and ends at the first `}` that belongs to nothing inside it.
//! - `\$` is a dollar sign, and in a word `\}` is a brace. Backslashes before these are read in pairs: `\\$A` is one
//!   backslash and the value of `A`, `\\\$` is `\$`.
//! - Everything else is itself: a `$` before anything but a name or a well-formed `${…}`, all other backslashes,
//!   quotes, `#`, white space, every Unicode character.
//!
//! Not carried by any Dockerfile: line breaks and NUL. The value types refuse them before they get here.
//!
//! Source of what builders do: BuildKit `frontend/dockerfile/shell/lex.go` and `parser/line_parsers.go`; the classic
//! builder and buildah read the forms written here alike.

use std::collections::HashSet;

use crate::value_error::{ValueError, shown};

/// How deep `${A:-${B:-…}}` may nest. Beyond it the text is taken as it stands, so that no input exhausts the stack.
const NESTING_LIMIT: usize = 16;

/// A declared value as it is written after `ENV NAME=` or `ARG NAME=`: in double quotes, with its variables.
pub fn env_value(declared: &str) -> String {
    let mut out = String::with_capacity(declared.len() + 2);
    out.push('"');
    write_pieces(&pieces(declared), Place::Quoted, &mut out);
    out.push('"');
    out
}

/// What a builder makes of a declared value: its variables replaced by what `lookup` knows of them.
///
/// `lookup` sees the environment before the whole `ENV` instruction, as Docker expands it: variables of one
/// instruction do not see each other.
pub fn expand_env(declared: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(declared.len());
    expand_pieces(&pieces(declared), lookup, &mut out);
    out
}

/// The names of the variables that a declared value refers to, in the order of the text, each once.
pub fn referenced_names(declared: &str) -> Vec<String> {
    fn collect(pieces: &[Piece<'_>], names: &mut Vec<String>) {
        for piece in pieces {
            if let Piece::Variable { name, fallback } = piece {
                if !names.iter().any(|known| known == name) {
                    names.push((*name).to_owned());
                }
                if let Some((_, word)) = fallback {
                    collect(word, names);
                }
            }
        }
    }
    let mut names = Vec::new();
    collect(&pieces(declared), &mut names);
    names
}

/// Checks that every `${` of a declared value begins a well-formed expansion.
///
/// [`env_value`] would carry a broken one literally; here it is taken for the mistake it most likely is.
pub fn check_expansions(declared: &str) -> Result<(), ValueError> {
    let mut scanner = Scanner::new(declared);
    scanner.pieces(0, false);
    match scanner.broken {
        None => Ok(()),
        Some(at) => Err(ValueError::new(format!(
            "{} is no expansion: expected `${{NAME}}`, `${{NAME:-word}}` or `${{NAME:+word}}`",
            shown(&declared[at..])
        ))
        .with_help("for a literal dollar sign write \\$")),
    }
}

/// A text that comes out as it is where a builder expands words: labels, `WORKDIR`, `USER`, `ARG` defaults.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    write_literal(text, Place::Quoted, &mut out);
    out.push('"');
    out
}

/// The exec form of `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD`: a JSON array in which nothing is expanded.
pub fn json_array<S: AsRef<str>>(words: &[S]) -> String {
    let mut out = String::from("[");
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_json(word.as_ref(), &mut out);
    }
    out.push(']');
    out
}

/// The JSON form of `COPY`, `ADD` and `VOLUME`, whose words builders expand even there: they come out as they are.
///
/// Sources are patterns besides: give them through [`copy_source`].
pub fn word_array<S: AsRef<str>>(words: &[S]) -> String {
    let escaped: Vec<String> = words
        .iter()
        .map(|word| {
            let mut out = String::with_capacity(word.as_ref().len());
            write_literal(word.as_ref(), Place::Word, &mut out);
            out
        })
        .collect();
    json_array(&escaped)
}

/// The pattern that matches just this path as a source of `COPY` or `ADD`.
///
/// In brackets rather than behind backslashes, because BuildKit takes a path without wildcards literally, its
/// backslashes included.
pub fn copy_source(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '*' | '?' | '[' => out.extend(['[', character, ']']),
            '\\' => out.push_str("[\\\\]"),
            other => out.push(other),
        }
    }
    out
}

/// A text as one word of a POSIX shell, quoted only where it must be.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A piece of a declared value.
enum Piece<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        fallback: Option<(Modifier, Vec<Piece<'a>>)>,
    },
}

/// What follows the name in `${NAME:-word}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Modifier {
    /// `:-`: the word where the variable is not set or empty.
    Default,
    /// `:+`: the word where the variable is set and not empty.
    Alternative,
}

fn pieces(declared: &str) -> Vec<Piece<'_>> {
    Scanner::new(declared).pieces(0, false)
}

struct Scanner<'a> {
    text: &'a str,
    position: usize,
    /// Where the first `${` stands that begins no expansion.
    broken: Option<usize>,
    /// Where a `${` stands whose `}` is known to be missing: without this, reading `${A:-${A:-${A:-…` would try
    /// every combination of them.
    unclosed: HashSet<usize>,
    /// How often a character was looked at.
    #[cfg(test)]
    steps: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            broken: None,
            unclosed: HashSet::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Reads to the end, or in a word to the `}` that ends it, which is left unread. In a word, what it returns is of
    /// no use if the end of the text was reached: the word is then no word.
    fn pieces(&mut self, depth: usize, in_word: bool) -> Vec<Piece<'a>> {
        let bytes = self.text.as_bytes();
        let mut out = Vec::new();
        let mut start = self.position;
        while let Some(&byte) = bytes.get(self.position) {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            match byte {
                b'\\' => {
                    let run = bytes[self.position..].iter().take_while(|&&b| b == b'\\').count();
                    let end = self.position + run;
                    let special = match bytes.get(end) {
                        Some(b'$') => true,
                        Some(b'}') => in_word,
                        _ => false,
                    };
                    if !special {
                        self.position = end;
                        continue;
                    }
                    push_text(&mut out, &self.text[start..self.position + run / 2]);
                    // With an odd backslash the character after the run is text.
                    start = end;
                    self.position = end + run % 2;
                }
                b'}' if in_word => break,
                b'$' => {
                    let dollar = self.position;
                    if let Some(variable) = self.variable(depth) {
                        push_text(&mut out, &self.text[start..dollar]);
                        out.push(variable);
                        start = self.position;
                        continue;
                    }
                    if in_word && self.position == bytes.len() {
                        return out;
                    }
                    if bytes.get(dollar + 1) == Some(&b'{') {
                        self.broken.get_or_insert(dollar);
                    }
                    self.position = dollar + 1;
                }
                _ => self.position += 1,
            }
        }
        push_text(&mut out, &self.text[start..self.position]);
        out
    }

    /// Reads the expansion that begins at the `$` here. Returns `None` where the `$` is text; the position is then
    /// the end of the text if a `}` was missing, and otherwise unchanged.
    fn variable(&mut self, depth: usize) -> Option<Piece<'a>> {
        let bytes = self.text.as_bytes();
        let dollar = self.position;
        let braced = bytes.get(dollar + 1) == Some(&b'{');
        let name_start = dollar + 1 + usize::from(braced);
        let name = name_at(self.text, name_start)?;
        let name_end = name_start + name.len();
        if !braced {
            self.position = name_end;
            return Some(Piece::Variable { name, fallback: None });
        }
        let modifier = match bytes.get(name_end..)? {
            [b'}', ..] => {
                self.position = name_end + 1;
                return Some(Piece::Variable { name, fallback: None });
            }
            [b':', b'-', ..] => Modifier::Default,
            [b':', b'+', ..] => Modifier::Alternative,
            _ => return None,
        };
        if depth == NESTING_LIMIT || self.unclosed.contains(&dollar) {
            return None;
        }
        self.position = name_end + 2;
        let word = self.pieces(depth + 1, true);
        if self.position == bytes.len() {
            self.unclosed.insert(dollar);
            return None;
        }
        self.position += 1;
        Some(Piece::Variable {
            name,
            fallback: Some((modifier, word)),
        })
    }
}

fn push_text<'a>(out: &mut Vec<Piece<'a>>, text: &'a str) {
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
}

/// The variable name that starts at this byte, if one does.
fn name_at(text: &str, start: usize) -> Option<&str> {
    let rest = text.get(start..)?;
    let first = rest.bytes().next()?;
    if !(first.is_ascii_alphabetic() || first == b'_') {
        return None;
    }
    let length = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    Some(&rest[..length])
}

/// Where text is written, which decides what a backslash must protect.
#[derive(Clone, Copy)]
enum Place {
    /// Between double quotes.
    Quoted,
    /// Outside quotes, or in the word of `${NAME:-word}`, where quotes begin anew.
    Word,
}

fn write_literal(text: &str, place: Place, out: &mut String) {
    for character in text.chars() {
        let special = match place {
            Place::Quoted => matches!(character, '\\' | '"' | '$'),
            Place::Word => matches!(character, '\\' | '"' | '\'' | '$' | '}'),
        };
        if special {
            out.push('\\');
        }
        out.push(character);
    }
}

fn write_pieces(pieces: &[Piece<'_>], place: Place, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => write_literal(text, place, out),
            Piece::Variable { name, fallback } => {
                // Always in braces: Docker takes more characters for part of a name than we do.
                out.push_str("${");
                out.push_str(name);
                if let Some((modifier, word)) = fallback {
                    out.push_str(if *modifier == Modifier::Default {
                        ":-"
                    } else {
                        ":+"
                    });
                    write_pieces(word, Place::Word, out);
                }
                out.push('}');
            }
        }
    }
}

fn expand_pieces(pieces: &[Piece<'_>], lookup: &dyn Fn(&str) -> Option<String>, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable { name, fallback } => {
                let value = lookup(name).unwrap_or_default();
                match fallback {
                    Some((Modifier::Default, word)) if value.is_empty() => expand_pieces(word, lookup, out),
                    Some((Modifier::Alternative, word)) if !value.is_empty() => {
                        expand_pieces(word, lookup, out)
                    }
                    Some((Modifier::Alternative, _)) => {}
                    _ => out.push_str(&value),
                }
            }
        }
    }
}

fn write_json(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
