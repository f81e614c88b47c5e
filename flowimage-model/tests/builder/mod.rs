//! A builder's reading of a line: the other side of every test of quoting.
//!
//! Written after BuildKit's source, not after this crate's.

use std::collections::BTreeMap;

/// What BuildKit makes of one word of an `ENV` line: `parseWords` finds its end, `processStopOn` reads it.
pub(crate) struct Docker<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    env: &'a BTreeMap<String, String>,
}

impl Docker<'_> {
    /// Reads a text that is one word.
    pub(crate) fn read(line: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
        assert_eq!(words(line), [line], "one word of the instruction");
        Self::read_all(line, env)
    }

    /// Reads a text that is one word, white space and all: of a JSON array, say.
    pub(crate) fn read_all(text: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
        Docker {
            rest: text.chars().peekable(),
            env,
        }
        .until(None)
    }

    fn until(&mut self, stop: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        while let Some(&c) = self.rest.peek() {
            if Some(c) == stop {
                self.rest.next();
                return Ok(out);
            }
            match c {
                '\'' => {
                    self.rest.next();
                    loop {
                        match self.rest.next() {
                            None => return Err("unclosed '".into()),
                            Some('\'') => break,
                            Some(c) => out.push(c),
                        }
                    }
                }
                '"' => self.double(&mut out)?,
                '$' => out += &self.dollar()?,
                '\\' => {
                    self.rest.next();
                    out.extend(self.rest.next());
                }
                c => {
                    self.rest.next();
                    out.push(c);
                }
            }
        }
        if stop.is_some() {
            Err("unexpected end".into())
        } else {
            Ok(out)
        }
    }

    fn double(&mut self, out: &mut String) -> Result<(), String> {
        self.rest.next();
        loop {
            match self.rest.peek() {
                None => return Err("unclosed \"".into()),
                Some('"') => {
                    self.rest.next();
                    return Ok(());
                }
                Some('$') => *out += &self.dollar()?,
                Some('\\') => {
                    self.rest.next();
                    match self.rest.peek() {
                        None => {}
                        Some('"' | '$' | '\\') => out.extend(self.rest.next()),
                        Some(_) => out.push('\\'),
                    }
                }
                Some(_) => out.extend(self.rest.next()),
            }
        }
    }

    fn dollar(&mut self) -> Result<String, String> {
        self.rest.next();
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() {
                "$".into()
            } else {
                self.value(&name)
            });
        }
        self.rest.next();
        if matches!(self.rest.peek(), None | Some('{' | '}' | ':')) {
            return Err("bad substitution".into());
        }
        let name = self.name();
        match self.rest.next() {
            Some('}') => Ok(self.value(&name)),
            Some(':') => {
                let modifier = self.rest.next();
                let word = self.until(Some('}'))?;
                let value = self.value(&name);
                match modifier {
                    Some('-') => Ok(if value.is_empty() { word } else { value }),
                    Some('+') => Ok(if value.is_empty() { String::new() } else { word }),
                    _ => Err("unsupported modifier".into()),
                }
            }
            _ => Err("unsupported modifier".into()),
        }
    }

    fn value(&self, name: &str) -> String {
        self.env.get(name).cloned().unwrap_or_default()
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(&c) = self.rest.peek() {
            if name.is_empty() && c.is_numeric() {
                while let Some(&d) = self.rest.peek().filter(|d| d.is_numeric()) {
                    name.push(d);
                    self.rest.next();
                }
                return name;
            }
            if name.is_empty() && "@*#?-$!0".contains(c) {
                self.rest.next();
                return c.to_string();
            }
            if !c.is_alphanumeric() && c != '_' {
                break;
            }
            name.push(c);
            self.rest.next();
        }
        name
    }
}

/// The words of a line, quotes left in them.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut out, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == '\\' => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            Some(q) if c == q => quote = None,
            Some('"') if c == '\\' => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}
