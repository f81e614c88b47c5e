//! One pattern: Go's `filepath.Match` with `**`, as Docker compiles it to a regular expression.

use crate::value_error::ValueError;

/// A pattern, read.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Character(char),
    /// `?`: one character, not `/`.
    AnyCharacter,
    /// `*`: characters, none of them `/`.
    WithinName,
    /// `**/`, and `**` in the middle: nothing, or anything that ends with `/`.
    Folders,
    /// `**` at the end: anything.
    Anything,
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, ValueError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            parts.push(match character {
                '*' => match rest.strip_prefix('*') {
                    None => Part::WithinName,
                    Some(after) => {
                        rest = after.strip_prefix('/').unwrap_or(after);
                        if rest.is_empty() {
                            Part::Anything
                        } else {
                            Part::Folders
                        }
                    }
                },
                '?' => Part::AnyCharacter,
                '[' => set(&mut rest)?,
                '\\' => Part::Character(protected(&mut rest)?),
                '^' => {
                    return Err(ValueError::new("builders do not agree about `^`").with_help("write `\\^`"));
                }
                other => Part::Character(other),
            });
        }
        // `**name` is taken for the end of a path, also within a name.
        let only_text = parts
            .iter()
            .skip(1)
            .all(|part| matches!(part, Part::Character(_)));
        if parts.first() == Some(&Part::Folders)
            && !text.starts_with("**/")
            && only_text
            && !text.contains('\\')
        {
            parts[0] = Part::Anything;
        }
        Ok(Self { parts })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.ends(&path).last().is_some_and(|reached| reached[path.len()])
    }

    /// Whether the path matches, or a folder above it.
    pub(super) fn matches_or_parent(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.ends(&path).last().is_some_and(|reached| {
            (0..=path.len()).any(|end| reached[end] && path.get(end).is_none_or(|next| *next == '/'))
        })
    }

    /// Whether some path below the folder may match.
    pub(super) fn may_match_below(&self, folder: &str) -> bool {
        let path: Vec<char> = folder.chars().chain(['/']).collect();
        self.ends(&path).iter().any(|reached| reached[path.len()])
    }

    /// Up to where each beginning of the pattern can match: by number of parts, then of characters. Every position
    /// is looked at once a part, so that no pattern takes long.
    fn ends(&self, path: &[char]) -> Vec<Vec<bool>> {
        let mut reached = vec![false; path.len() + 1];
        reached[0] = true;
        let mut all = vec![reached];
        for part in &self.parts {
            let mut before = false;
            let last = &all[all.len() - 1];
            let mut next = vec![false; path.len() + 1];
            for (position, next) in next.iter_mut().enumerate() {
                let character = position.checked_sub(1).map(|index| path[index]);
                let stepped = position > 0 && last[position - 1];
                *next = match part {
                    Part::Character(wanted) => stepped && character == Some(*wanted),
                    Part::AnyCharacter => stepped && character != Some('/'),
                    Part::WithinName => {
                        before = last[position] || (before && character != Some('/'));
                        before
                    }
                    Part::Folders => {
                        let here = last[position] || (before && character == Some('/'));
                        before |= last[position];
                        here
                    }
                    Part::Anything => {
                        before |= last[position];
                        before
                    }
                    Part::Set { negated, ranges } => {
                        let within = |it: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&it));
                        stepped && character.is_some_and(|it| within(it) != *negated)
                    }
                };
            }
            all.push(next);
        }
        all
    }
}

/// The character after a backslash.
fn protected(rest: &mut &str) -> Result<char, ValueError> {
    let Some(character) = rest.chars().next() else {
        return Err(ValueError::new("a backslash at the end protects nothing")
            .with_help("write `\\\\` for a backslash, and `/` between folders"));
    };
    // Docker hands it on to a regular expression, where `\d` is any digit.
    if !character.is_ascii() || character.is_ascii_alphanumeric() {
        return Err(
            ValueError::new(format!("builders do not read `\\{character}` as `{character}`"))
                .with_help(format!("write `{character}` alone, and `/` between folders")),
        );
    }
    *rest = &rest[1..];
    Ok(character)
}

/// What follows a `[`.
fn set(rest: &mut &str) -> Result<Part, ValueError> {
    let negated = rest.starts_with('^');
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            if ranges.is_empty() {
                return Err(ValueError::new("`[]` names no character").with_help("for a bracket write `\\]`"));
            }
            *rest = after;
            return Ok(Part::Set { negated, ranges });
        }
        let low = member(rest)?;
        let high = match rest.strip_prefix('-') {
            Some(after) => {
                *rest = after;
                member(rest)?
            }
            None => low,
        };
        if high < low {
            return Err(ValueError::new(format!("the range `{low}-{high}` is empty"))
                .with_help(format!("write `{high}-{low}`")));
        }
        ranges.push((low, high));
    }
}

/// One character within brackets.
fn member(rest: &mut &str) -> Result<char, ValueError> {
    let Some(character) = rest.chars().next() else {
        return Err(ValueError::new("`[` has no `]`").with_help("for a bracket write `\\[`"));
    };
    match character {
        '-' | ']' => Err(
            ValueError::new("`-` within brackets stands between two characters")
                .with_help("for a dash write `\\-`"),
        ),
        '*' | '?' | '[' => Err(ValueError::new(format!(
            "builders do not read `{character}` within brackets as itself"
        ))
        .with_help(format!("write `\\{character}`"))),
        '\\' => {
            *rest = &rest[1..];
            protected(rest)
        }
        other => {
            *rest = &rest[other.len_utf8()..];
            Ok(other)
        }
    }
}
