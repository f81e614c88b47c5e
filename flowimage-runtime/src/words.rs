//! Words for people: of others, which may hold what a terminal obeys, and of lists, which may be long.

/// The beginning of a word that is to be one line: without control characters.
#[cfg(feature = "registry")]
pub(crate) fn short(text: &str, most: usize) -> String {
    text.chars().filter(|it| !it.is_control()).take(most).collect()
}

/// The first so many of a list, and how many more there are.
pub(crate) fn some_of(list: &[String], most: usize) -> String {
    let mut text = list[..list.len().min(most)].join("; ");
    if list.len() > most {
        text.push_str(&format!("; and {} more", list.len() - most));
    }
    text
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
