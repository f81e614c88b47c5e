//! Flows that live in a library: the program that serves them names the library, nothing else.

use flowimage::prelude::*;

/// Counts the words of a text.
#[flow_image(image = "words", tags = ["text"])]
fn count_words(text: String) -> usize {
    text.split_whitespace().count()
}
