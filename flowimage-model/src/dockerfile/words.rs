//! The words of an instruction, with and without regard to quotes.

/// A word and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) offset: usize,
}

/// Words between white space alone.
pub(super) fn plain(text: &str) -> Vec<Word<'_>> {
    collect(text, |rest| rest.find(char::is_whitespace))
}

/// Words between white space that no quote and no escape protects; both are left in them.
/// Source: BuildKit `parseWords` in `line_parsers.go`.
pub(super) fn split(text: &str, escape: char) -> Vec<Word<'_>> {
    collect(text, |rest| end_of_word(rest, escape).0)
}

/// Where a quote begins that nothing ends.
pub(super) fn unclosed_quote(text: &str, escape: char) -> Option<usize> {
    let mut offset = 0;
    while offset < text.len() {
        let (end, unclosed) = end_of_word(&text[offset..], escape);
        if let Some(quote) = unclosed {
            return Some(offset + quote);
        }
        // White space ended the word: step over it.
        let end = offset + end?;
        offset = end + text[end..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

fn collect<'a>(text: &'a str, end_of: impl Fn(&str) -> Option<usize>) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    let mut offset = 0;
    loop {
        let rest = &text[offset..];
        let start = offset + rest.len() - rest.trim_start().len();
        if start == text.len() {
            return words;
        }
        let end = end_of(&text[start..]).map_or(text.len(), |length| start + length);
        words.push(Word {
            text: &text[start..end],
            offset: start,
        });
        offset = end;
    }
}

/// The white space that ends a word, if any does, and the quote that is left open.
fn end_of_word(text: &str, escape: char) -> (Option<usize>, Option<usize>) {
    let mut quote: Option<(char, usize)> = None;
    let mut characters = text.char_indices();
    while let Some((offset, character)) = characters.next() {
        match quote {
            None if character.is_whitespace() => return (Some(offset), None),
            None if matches!(character, '"' | '\'') => quote = Some((character, offset)),
            Some((open, _)) if open == character => quote = None,
            Some(('\'', _)) => {}
            _ if character == escape => {
                characters.next();
            }
            _ => {}
        }
    }
    (None, quote.map(|(_, offset)| offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[Word<'_>]) -> Vec<String> {
        words.iter().map(|word| word.text.to_owned()).collect()
    }

    #[test]
    fn quotes_and_escapes_keep_a_word_together() {
        assert_eq!(
            texts(&split(r#" A="b c" 'd e'f g\ h "\" i" "#, '\\')),
            [r#"A="b c""#, "'d e'f", r"g\ h", r#""\" i""#]
        );
        assert_eq!(texts(&split("a` b C:\\ d", '`')), ["a` b", "C:\\", "d"]);
        assert_eq!(texts(&plain(" a  \"b c\" ")), ["a", "\"b", "c\""]);
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(unclosed_quote(r#"A="b c" D='e"#, '\\'), Some(10));
        assert_eq!(unclosed_quote(r#"A="b c" D='e'"#, '\\'), None);
        assert_eq!(unclosed_quote("a\u{a0}\"", '\\'), Some(3));
        assert_eq!(unclosed_quote(r#"it\'s"#, '\\'), None);
    }
}
