//! What a value parser says of a text it cannot take.

use std::fmt;

/// A text that is not a value of the wanted kind.
///
/// The message says what was wrong, then what is allowed, in lower case and without a full stop; the help, where
/// there is one, says what to write. Whoever shows the error adds the place (token, line and column).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    message: String,
    help: Option<String>,
}

impl ValueError {
    /// An error with this message and no help.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    /// The same error with words on what to write.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What was wrong, and what is allowed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}

/// A text as it is named in a message: in backquotes, control characters visible, cut after 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut out = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == LIMIT {
            out.push('…');
            break;
        }
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_the_message_alone() {
        let error = ValueError::new("`x` is wrong: expected y").with_help("write y");
        assert_eq!(error.to_string(), "`x` is wrong: expected y");
        assert_eq!(error.help(), Some("write y"));
    }

    #[test]
    fn shown_text_is_cut_and_printable() {
        assert_eq!(shown("a\nb\0"), "`a\\nb\\u{0}`");
        assert_eq!(shown(&"é".repeat(61)).chars().count(), 60 + 1 + 2);
        assert_eq!(shown(&"é".repeat(60)).chars().count(), 60 + 2);
    }
}
