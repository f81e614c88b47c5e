use std::collections::BTreeMap;

use super::*;

/// What BuildKit makes of one word of an `ENV` line: `parseWords` finds its end, `processStopOn` reads it.
///
/// Written after BuildKit's source, not after this crate's: it is the other side of every test here.
struct Docker<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    env: &'a BTreeMap<String, String>,
}

impl Docker<'_> {
    fn read(line: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
        assert_eq!(words(line), [line], "one word of the instruction");
        Docker {
            rest: line.chars().peekable(),
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

fn words(line: &str) -> Vec<String> {
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

fn environment() -> BTreeMap<String, String> {
    [
        ("A", "α \"$B\" \\"),
        ("PATH", "/usr/bin:/bin"),
        ("EMPTY", ""),
        ("a_1", "one"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// xorshift: the same texts in every run.
struct Generator(u64);

impl Generator {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 40] = [
            "$",
            "{",
            "}",
            "\\",
            "\"",
            "'",
            "`",
            "#",
            " ",
            "\t",
            "A",
            "$A",
            "${A}",
            "PATH",
            "$PATH",
            "${PATH}:/x",
            "\\$",
            "\\\\",
            ":-",
            ":+",
            "${A:-",
            "${NO:-",
            "${EMPTY:-",
            "${A:+",
            "é",
            "日本",
            "=",
            "<<",
            "EOF",
            "$5",
            "$$",
            "$(",
            "a_1",
            "$a_1",
            "${",
            "0",
            ";",
            "&&",
            "\u{a0}",
            "\u{feff}",
        ];
        (0..self.below(12))
            .map(|_| PARTS[self.below(PARTS.len())])
            .collect()
    }
}

#[test]
fn declared_values_mean_what_the_module_says() {
    let env = environment();
    let lookup = |name: &str| env.get(name).cloned();
    for (declared, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("$PATH:/x", "/usr/bin:/bin:/x"),
        ("${PATH}x", "/usr/bin:/binx"),
        ("$NO-", "-"),
        ("\\$PATH", "$PATH"),
        ("\\\\$PATH", "\\/usr/bin:/bin"),
        ("\\\\\\$PATH", "\\$PATH"),
        ("C:\\new\\", "C:\\new\\"),
        ("\\\\host\\share", "\\\\host\\share"),
        ("it's \"so\" # no comment", "it's \"so\" # no comment"),
        ("costs $5, $$ and $(x) $", "costs $5, $$ and $(x) $"),
        ("${NO:-it's {a} \"b\"", "it's {a \"b\""),
        ("${NO:-it's \"b\"", "${NO:-it's \"b\""),
        ("${NO:-it's \"b\"}", "it's \"b\""),
        ("${NO:-{\\}}", "{}"),
        ("${NO:-a\\b}", "a\\b"),
        ("${NO:-$PATH}", "/usr/bin:/bin"),
        ("${NO:-${EMPTY:-deep}}", "deep"),
        ("${EMPTY:-x}${EMPTY:+y}", "x"),
        ("${PATH:+$PATH:}/x", "/usr/bin:/bin:/x"),
        ("${PATH", "${PATH"),
        ("${1}", "${1}"),
        ("${}", "${}"),
        ("$Aé", "α \"$B\" \\é"),
        ("}{", "}{"),
    ] {
        assert_eq!(expand_env(declared, &lookup), expected, "{declared}");
        assert_eq!(
            Docker::read(&env_value(declared), &env).as_deref(),
            Ok(expected),
            "{declared}"
        );
    }
}

#[test]
fn builders_read_every_value_as_it_is_expanded_here() {
    let env = environment();
    let lookup = |name: &str| env.get(name).cloned();
    let mut generator = Generator(0x9e37_79b9_7f4a_7c15);
    let mut expansions = 0;
    for _ in 0..20_000 {
        let declared = generator.text();
        let expected = expand_env(&declared, &lookup);
        expansions += usize::from(expected != declared);
        let line = env_value(&declared);
        assert_eq!(
            Docker::read(&line, &env),
            Ok(expected),
            "{declared:?} written as {line}"
        );
    }
    assert!(
        expansions > 4_000,
        "the generator writes expansions: {expansions}"
    );
}

#[test]
fn literals_come_out_as_they_went_in() {
    let env = environment();
    let mut generator = Generator(7);
    for _ in 0..5_000 {
        let text = generator.text();
        assert_eq!(Docker::read(&literal(&text), &env).as_deref(), Ok(&*text));
        let array: Vec<String> = serde_json::from_str(&word_array(&[&text, "b"])).unwrap();
        let read = Docker {
            rest: array[0].chars().peekable(),
            env: &env,
        }
        .until(None);
        assert_eq!(read.as_deref(), Ok(&*text));
    }
}

#[test]
fn json_is_what_a_json_reader_reads() {
    let words = ["a", "", "\"\\", "\u{1}\t\n\r\u{7f}", "$A é 日本 😀", "/bin/sh"];
    let array: Vec<String> = serde_json::from_str(&json_array(&words)).unwrap();
    assert_eq!(array, words);
    assert_eq!(json_array::<&str>(&[]), "[]");
    assert_eq!(
        json_array(&["sh", "-c", "echo \"hi\""]),
        r#"["sh", "-c", "echo \"hi\""]"#
    );
}

#[test]
fn broken_expansions_are_found() {
    for good in [
        "",
        "$",
        "$5",
        "\\${",
        "${A}",
        "${A:-x}",
        "${A:+${B:-y}}",
        "$$",
        "a}b",
    ] {
        assert!(check_expansions(good).is_ok(), "{good}");
    }
    for (bad, named) in [
        ("x ${", "`${`"),
        ("${A", "`${A`"),
        ("${A:-x", "`${A:-x`"),
        ("${1}", "`${1}`"),
        ("${A-x}", "`${A-x}`"),
        ("${A:?x}", "`${A:?x}`"),
        ("${A:-${B%x}}", "`${B%x}}`"),
        ("${A:-${B}", "`${A:-${B}`"),
    ] {
        let error = check_expansions(bad).expect_err(bad);
        assert!(error.message().starts_with(named), "{bad}: {error}");
    }
    assert!(check_expansions(&("${A:-".repeat(17) + &"}".repeat(17))).is_err());
    assert!(check_expansions(&("${A:-".repeat(16) + &"}".repeat(16))).is_ok());
}

#[test]
fn nothing_is_slow_on_unclosed_or_deep_expansions() {
    for text in [
        "${A:-".repeat(20_000),
        "${A:-}".repeat(20_000),
        "\\".repeat(100_000),
        "${A:-x}${B:-".repeat(9_000),
    ] {
        let started = std::time::Instant::now();
        let line = env_value(&text);
        assert!(line.len() >= text.len());
        assert!(started.elapsed().as_secs() < 5, "{}", &text[..12]);
    }
}

#[test]
fn names_are_listed_once_and_in_order() {
    assert_eq!(referenced_names("$B ${A:-$C} $B \\$D $5"), ["B", "A", "C"]);
}

#[test]
fn copy_sources_match_themselves_only() {
    assert_eq!(copy_source("a b/c"), "a b/c");
    assert_eq!(copy_source("a[0]*?\\"), "a[[]0][*][?][\\\\]");
}

#[test]
fn shell_words() {
    for (text, word) in [
        ("", "''"),
        ("a-b/c=1", "a-b/c=1"),
        ("a b", "'a b'"),
        ("it's", r"'it'\''s'"),
        ("$x", "'$x'"),
        ("~", "'~'"),
        ("é", "'é'"),
    ] {
        assert_eq!(shell_word(text), word);
    }
}
