//! The JSON form of an instruction: an array of strings.

/// What an instruction that may be JSON is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// It does not begin with `[`.
    No,
    /// An array of strings, each with the byte it starts at.
    Strings(Vec<(String, usize)>),
    /// An array with something else in it, at this byte: builders refuse it.
    Other(usize),
    /// No JSON from this byte on: builders read the text as words, or as a command for a shell.
    Malformed(usize),
}

/// Reads the arguments of an instruction.
pub(super) fn read(text: &str) -> Json {
    let start = text.len() - text.trim_start().len();
    if !text[start..].starts_with('[') {
        return Json::No;
    }
    Reader { text, at: start + 1 }.array()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn array(mut self) -> Json {
        let mut strings = Vec::new();
        let mut other = None;
        if self.next_is(']') {
            return self.end(strings, other);
        }
        loop {
            self.blank();
            let start = self.at;
            if self.peek() == Some('"') {
                match self.string() {
                    Some(string) => strings.push((string, start)),
                    None => return Json::Malformed(start),
                }
            } else if self.scalar() {
                other.get_or_insert(start);
            } else {
                return Json::Malformed(start);
            }
            if self.next_is(']') {
                return self.end(strings, other);
            }
            if !self.next_is(',') {
                return Json::Malformed(self.at);
            }
        }
    }

    fn end(mut self, strings: Vec<(String, usize)>, other: Option<usize>) -> Json {
        self.blank();
        match other {
            _ if self.at != self.text.len() => Json::Malformed(self.at),
            Some(offset) => Json::Other(offset),
            None => Json::Strings(strings),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn blank(&mut self) {
        while self
            .peek()
            .is_some_and(|it| matches!(it, ' ' | '\t' | '\r' | '\n'))
        {
            self.at += 1;
        }
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.blank();
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// A number, `true`, `false` or `null`. Arrays within are left to be malformed: nobody writes them.
    fn scalar(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '-' | '+' | '.')))
            .unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length;
        let starts_number = word
            .trim_start_matches('-')
            .starts_with(|it: char| it.is_ascii_digit());
        matches!(word, "true" | "false" | "null") || (starts_number && word.parse::<f64>().is_ok())
    }

    fn string(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut characters = self.text[self.at + 1..].char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 2;
                    return Some(out);
                }
                '\\' => out.push(match characters.next()?.1 {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'u' => {
                        let mut code = 0;
                        for _ in 0..4 {
                            code = code * 16 + characters.next()?.1.to_digit(16)?;
                        }
                        // Halves of a pair: no instruction's meaning depends on which character it is.
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    same @ ('"' | '\\' | '/') => same,
                    _ => return None,
                }),
                control if control < ' ' => return None,
                other => out.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_json_reader_reads() {
        for text in [
            "[]",
            " [ ] ",
            r#"["a"]"#,
            r#"[ "a" , "b\n\"\\\/é" ]"#,
            r#"["a",]"#,
            r#"[,"a"]"#,
            r#"["a" "b"]"#,
            r#"["a"] x"#,
            r#"['a']"#,
            r#"["a]"#,
            r#"["\x"]"#,
            "[",
            r#"["A"]"#,
            r#"[ "$A" = "b" ]"#,
            r#"["\u00"]"#,
        ] {
            let expected = serde_json::from_str::<Vec<String>>(text).ok();
            let found = match read(text) {
                Json::Strings(strings) => Some(strings.into_iter().map(|(text, _)| text).collect()),
                _ => None,
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn tells_other_values_from_no_json() {
        assert_eq!(read("x"), Json::No);
        assert_eq!(read(r#"["a", 1]"#), Json::Other(6));
        assert_eq!(read("[true, -1.5e3, null]"), Json::Other(1));
        assert_eq!(read("[ -f x ] && y"), Json::Malformed(2));
        assert_eq!(read(r#"["a", 'b']"#), Json::Malformed(6));
        assert_eq!(read(r#"["a" && "b"]"#), Json::Malformed(5));
    }
}
