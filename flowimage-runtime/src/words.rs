//! Words of others, which may hold what a terminal obeys.

/// The beginning of a word that is to be one line: without control characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    text.chars().filter(|it| !it.is_control()).take(most).collect()
}

/// Text of several lines with its control characters written out.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() && char != '\n' {
            out.extend(char.escape_default());
        } else {
            out.push(char);
        }
    }
    out
}
