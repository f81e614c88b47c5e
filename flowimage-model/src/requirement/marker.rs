//! Markers: the condition after `;`.
//!
//! Source: <https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers>.

use super::Cursor;
use super::version::OPERATORS;
use crate::suggest::suggest;
use crate::value_error::{ValueError, shown};

const VARIABLES: [&str; 19] = [
    "python_version",
    "python_full_version",
    "os_name",
    "os.name",
    "sys_platform",
    "sys.platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform.version",
    "platform_machine",
    "platform.machine",
    "platform_python_implementation",
    "platform.python_implementation",
    "python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
    "extras",
];

/// Groups of dependencies, which only lock files ask for, but which the grammar knows.
const GROUPS: &str = "dependency_groups";

/// How deep parentheses may stand in each other.
const DEEPEST: usize = 32;

/// Reads a whole marker.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    alternatives(cursor, 0)
}

fn alternatives(cursor: &mut Cursor<'_>, depth: usize) -> Result<(), ValueError> {
    loop {
        cursor.space();
        if cursor.eat("(") {
            if depth == DEEPEST {
                return Err(cursor.error("its marker has too many parentheses in each other"));
            }
            cursor.space();
            alternatives(cursor, depth + 1)?;
            cursor.space();
            if !cursor.eat(")") {
                return Err(cursor.error("its marker lacks a closing `)`"));
            }
        } else {
            comparison(cursor)?;
        }
        cursor.space();
        if !(word(cursor, "and") || word(cursor, "or")) {
            return Ok(());
        }
    }
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    operand(cursor)?;
    cursor.space();
    let negated = word(cursor, "not");
    if negated {
        let before = cursor.at;
        cursor.space();
        if cursor.at == before || !word(cursor, "in") {
            return Err(cursor.error("after `not` of a marker follows `in`"));
        }
    } else if !word(cursor, "in") && !OPERATORS.iter().any(|sign| cursor.eat(sign)) {
        return Err(cursor.error("a marker compares: `python_version < \"3.12\"`"));
    }
    cursor.space();
    operand(cursor)
}

fn operand(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    for quote in ['"', '\''] {
        let rest = cursor.rest();
        if let Some(inner) = rest.strip_prefix(quote) {
            let Some(end) = inner.find(quote) else {
                return Err(cursor.error(&format!("a string in its marker lacks the closing `{quote}`")));
            };
            cursor.at += end + 2;
            return Ok(());
        }
    }
    let before = cursor.at;
    let name = cursor.take(|it| it.is_ascii_alphanumeric() || it == '_' || it == '.');
    if VARIABLES.contains(&name) || name == GROUPS {
        return Ok(());
    }
    cursor.at = before;
    if name.is_empty() {
        return Err(cursor.error("a marker compares a variable with a quoted string"));
    }
    let error = cursor.error(&format!("a marker knows no {}", shown(name)));
    Err(match suggest(name, VARIABLES) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None => error.with_help("strings are quoted: `os_name == 'posix'`"),
    })
}

/// Takes a word that no letter follows.
fn word(cursor: &mut Cursor<'_>, word: &str) -> bool {
    let rest = cursor.rest();
    let ends = |it: char| !it.is_alphanumeric() && it != '_';
    let found = rest
        .strip_prefix(word)
        .is_some_and(|after| after.chars().next().is_none_or(ends));
    if found {
        cursor.at += word.len();
    }
    found
}
