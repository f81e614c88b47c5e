//! TOML as a tree of keys with their places.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::tree::{Entry, Mistake, Node, Position, Tree, Value};

/// Reads a text.
///
/// # Errors
/// What is no TOML, at its place.
pub(super) fn read(text: &str) -> Result<Tree<Position>, Mistake<Position>> {
    let place = |span: Range<usize>| Position::of(text, span.start);
    match DeTable::parse(text) {
        Ok(table) => Ok(Tree {
            entries: entries(table.get_ref(), &place),
        }),
        Err(error) => Err(Mistake::new(
            place(error.span().unwrap_or_default()),
            error.message().replace('\n', ", "),
        )),
    }
}

fn entries(table: &DeTable<'_>, place: &impl Fn(Range<usize>) -> Position) -> Vec<Entry<Position>> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_place: place(key.span()),
            value: node(value, place),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place);
    entries
}

fn node(value: &Spanned<DeValue<'_>>, place: &impl Fn(Range<usize>) -> Position) -> Node<Position> {
    let read = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        // With its `0x`, where it is not decimal.
        DeValue::Integer(number) => Value::Other(number.to_string()),
        DeValue::Float(number) => Value::Other(number.as_str().to_owned()),
        DeValue::Datetime(time) => Value::Other(time.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, place)).collect()),
        DeValue::Table(table) => Value::Map(entries(table, place)),
    };
    Node {
        value: read,
        place: place(value.span()),
    }
}
