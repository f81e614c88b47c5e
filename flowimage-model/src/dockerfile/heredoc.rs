//! Here-documents: the words that open them.

use super::words::split;

/// A here-document that an instruction opens.
pub(super) struct Heredoc {
    /// The line that ends it.
    pub(super) name: String,
    /// Whether tabs before that line do not count.
    pub(super) strips_tabs: bool,
    /// Where the word stands in the instruction.
    pub(super) offset: usize,
}

/// The here-documents that the line of an instruction opens, in the order in which they follow.
pub(super) fn opened_by(line: &str, escape: char) -> Vec<Heredoc> {
    let words = split(line, escape);
    let mut instruction = words.iter().map(|word| word.text.to_ascii_uppercase());
    let word = instruction.find(|word| word != "ONBUILD").unwrap_or_default();
    if !matches!(word.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    // The exec form has none.
    let first = words.iter().map(|word| word.text).find(|word| {
        !word.starts_with("--")
            && !["ONBUILD", "RUN", "COPY", "ADD"].contains(&word.to_ascii_uppercase().as_str())
    });
    if first.is_some_and(|word| word.starts_with('[')) && line.trim_end().ends_with(']') {
        return Vec::new();
    }
    words
        .iter()
        .filter_map(|word| {
            opened(word.text).map(|(name, strips_tabs)| Heredoc {
                name,
                strips_tabs,
                offset: word.offset,
            })
        })
        .collect()
}

/// Whether a word stands for a here-document.
pub(super) fn is_one(word: &str) -> bool {
    opened(word).is_some()
}

/// The name of the here-document that a word such as `<<EOF`, `3<<-"EOF"` opens, and whether tabs are stripped.
fn opened(word: &str) -> Option<(String, bool)> {
    let rest = word
        .trim_start_matches(|it: char| it.is_ascii_digit())
        .strip_prefix("<<")?;
    let (rest, strips_tabs) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    if rest.contains('<') {
        return None;
    }
    let name: String = rest
        .chars()
        .filter(|it| !matches!(it, '"' | '\'' | '\\'))
        .collect();
    (!name.is_empty()).then_some((name, strips_tabs))
}
