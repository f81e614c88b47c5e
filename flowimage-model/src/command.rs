//! Commands: the names of programs, and command lines that are split without a shell.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::text_value;
use crate::value_error::{ValueError, shown};

/// The name of a program on `PATH`: no folder, no arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandName(String);
text_value!(CommandName);

impl FromStr for CommandName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = ValueError::new(format!(
            "{} is no command: expected the name of a program on `PATH`, such as `git`",
            shown(text)
        ));
        if text.contains('/') {
            return Err(error.with_help("write the name alone; a program elsewhere is run by a health check"));
        }
        if text.contains(char::is_whitespace) {
            return Err(error.with_help("one command each, without arguments: `health_checks` run with them"));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._[".contains(&byte);
        if !text.is_empty() && !text.starts_with('-') && text.len() <= 255 && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(error)
    }
}

/// A program and its arguments, split from one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(pub Vec<String>);

impl FromStr for CommandLine {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (words, sign) = split(text)?;
        let first = words.first().ok_or_else(|| {
            ValueError::new("an empty command does nothing").with_help("write a program's name")
        })?;
        if first.is_empty() {
            return Err(ValueError::new(
                "a command begins with a program's name, not with an empty word",
            ));
        }
        if let Some(sign) = sign {
            return Err(ValueError::new(format!(
                "`{sign}` has no meaning here: commands run without a shell"
            ))
            .with_help("quote it, or ask for a shell: `sh -c '…'`"));
        }
        if let Some((name, _)) = first.split_once('=')
            && name.parse::<crate::names::EnvName>().is_ok()
        {
            return Err(ValueError::new(format!(
                "{} is no program: commands run without a shell",
                shown(first)
            ))
            .with_help(format!("set it in `env_vars`, or write `env {text}`")));
        }
        Ok(Self(words))
    }
}

/// Words as a POSIX shell splits them, with its three quotes and nothing else of it; and the first unquoted sign
/// that only a shell knows.
///
/// Source: <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02>.
fn split(text: &str) -> Result<(Vec<String>, Option<&'static str>), ValueError> {
    if text.contains('\0') {
        return Err(ValueError::new("a NUL character can stand in no argument"));
    }
    let open = |quote: char| {
        ValueError::new(format!("{} lacks its closing `{quote}`", shown(text)))
            .with_help("quotes are those of a shell: '…' and \"…\"; `\\` takes one character as it is")
    };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut sign = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(inner) => word.push(inner),
                        None => return Err(open('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => match characters.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err(open('"')),
                        },
                        Some(inner) => word.push(inner),
                        None => return Err(open('"')),
                    }
                }
            }
            '\\' => match characters.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => {
                    return Err(ValueError::new(format!(
                        "{} ends with a `\\` that takes nothing",
                        shown(text)
                    )));
                }
            },
            other => {
                // Signs within a word, as in `a=b|c`, are a shell's as well.
                let known = ["|", "&", ";", "<", ">", "$", "`"].into_iter();
                sign = sign.or(known.into_iter().find(|it| it.starts_with(other)));
                word.get_or_insert_default().push(other);
            }
        }
    }
    words.extend(word);
    Ok((words, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        for (text, words) in [
            ("git --version", &["git", "--version"][..]),
            ("  a\t b ", &["a", "b"]),
            ("sh -c 'a | b > c'", &["sh", "-c", "a | b > c"]),
            (r#"echo "a \"b\" \n""#, &["echo", r#"a "b" \n"#]),
            (r"a\ b '' c'd'e", &["a b", "", "cde"]),
            ("a \\$HOME", &["a", "$HOME"]),
        ] {
            assert_eq!(text.parse::<CommandLine>().unwrap().0, words, "{text}");
        }
    }

    #[test]
    fn what_only_a_shell_knows_is_refused() {
        for text in [
            "",
            "  ",
            "'' a",
            "a | b",
            "a && b",
            "a > b",
            "echo $HOME",
            "echo `x`",
            "A=1 b",
            "a 'b",
            "a \"b",
            "a \\",
        ] {
            assert!(text.parse::<CommandLine>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_single_words() {
        for good in ["git", "g++", "python3.12", "["] {
            assert!(good.parse::<CommandName>().is_ok(), "{good}");
        }
        for bad in ["", "/bin/sh", "git --version", "-x", "a$b"] {
            assert!(bad.parse::<CommandName>().is_err(), "{bad}");
        }
    }
}
