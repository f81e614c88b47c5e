//! The tokens of an attribute as a tree of keys and values. Syntax only: what a key means is the model's matter.

use flowimage_model::tree::{Entry, Findings, Mistake, Node, Tree, Value};
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// Reads `key = value, key = value`. A bad part is reported and skipped, so that the rest is still read.
pub(crate) fn read(tokens: TokenStream, findings: &mut Findings<Span>) -> Tree<Span> {
    Tree {
        entries: entries(tokens, "=", findings),
    }
}

fn entries(tokens: TokenStream, sign: &str, findings: &mut Findings<Span>) -> Vec<Entry<Span>> {
    let mut entries = Vec::new();
    for part in split(tokens) {
        match entry(&part, sign, findings) {
            Ok(read) => entries.push(read),
            Err(mistake) => findings.mistake(mistake),
        }
    }
    entries
}

/// The parts between commas. Groups are single trees, so only this level's commas count.
fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(std::mem::take(&mut part)),
            _ => part.push(token),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

fn entry(
    part: &[TokenTree],
    sign: &str,
    findings: &mut Findings<Span>,
) -> Result<Entry<Span>, Mistake<Span>> {
    let (key, key_place) = match &part[0] {
        TokenTree::Ident(ident) => (ident.to_string(), ident.span()),
        other => match string(other) {
            Some(text) => (text, other.span()),
            None => {
                return Err(Mistake::new(
                    other.span(),
                    format!("expected a key, found `{other}`"),
                ));
            }
        },
    };
    let after = key_place;
    let value = match &part[1..] {
        [TokenTree::Punct(equals), TokenTree::Punct(greater), value @ ..]
            if equals.as_char() == '=' && greater.as_char() == '>' =>
        {
            value
        }
        [TokenTree::Punct(equals), value @ ..] if equals.as_char() == '=' => value,
        [] => {
            return Err(
                Mistake::new(after, format!("`{key}` has no value")).help(format!("write `{key} {sign} …`"))
            );
        }
        [other, ..] => {
            return Err(Mistake::new(
                other.span(),
                format!("expected `{sign}` after `{key}`, found `{other}`"),
            )
            .help(format!("write `{key} {sign} …`; keys are separated by commas")));
        }
    };
    match value {
        [] => {
            Err(Mistake::new(after, format!("`{key}` has no value")).help(format!("write `{key} {sign} …`")))
        }
        [one] => Ok(Entry {
            key,
            key_place,
            value: node(one, findings)?,
        }),
        [first, second, ..] => {
            // A sign before a number is two trees, and no key takes a negative number.
            if matches!(first, TokenTree::Punct(punct) if punct.as_char() == '-') && value.len() == 2 {
                let place = first.span();
                return Ok(Entry {
                    key,
                    key_place,
                    value: Node {
                        value: Value::Other(format!("-{second}")),
                        place,
                    },
                });
            }
            if matches!((first, second), (TokenTree::Ident(_), TokenTree::Punct(punct)) if punct.as_char() == '!')
            {
                return Err(
                    Mistake::new(first.span(), format!("`{key}` takes a literal, not a macro call")).help(
                        "the Dockerfile is written before other macros are expanded: write the text out",
                    ),
                );
            }
            Err(Mistake::new(
                second.span(),
                format!("expected `,` after the value of `{key}`, found `{second}`"),
            ))
        }
    }
}

fn node(token: &TokenTree, findings: &mut Findings<Span>) -> Result<Node<Span>, Mistake<Span>> {
    let place = token.span();
    let value = match token {
        TokenTree::Group(group) => match group.delimiter() {
            Delimiter::Bracket => Value::List(list(group, findings)),
            Delimiter::Brace => Value::Map(entries(group.stream(), "=", findings)),
            // What a `macro_rules!` fragment such as `$e:literal` passes on.
            Delimiter::None => return invisible(group, findings),
            Delimiter::Parenthesis => {
                return Err(Mistake::new(place, "expected a value, found parentheses")
                    .help("lists are `[…]`, maps are `{…}`"));
            }
        },
        TokenTree::Ident(ident) if ident == "true" => Value::Flag(true),
        TokenTree::Ident(ident) if ident == "false" => Value::Flag(false),
        TokenTree::Ident(ident) => {
            return Err(Mistake::new(place, format!("expected a value, found `{ident}`"))
                .help(format!("did you mean the string \"{ident}\"? Constants are not known when the Dockerfile is written")));
        }
        TokenTree::Literal(literal) => match string(token) {
            Some(text) => Value::Text(text),
            None => Value::Other(literal.to_string()),
        },
        TokenTree::Punct(punct) => {
            return Err(Mistake::new(place, format!("expected a value, found `{punct}`")));
        }
    };
    Ok(Node { value, place })
}

fn invisible(group: &Group, findings: &mut Findings<Span>) -> Result<Node<Span>, Mistake<Span>> {
    let mut trees = group.stream().into_iter();
    match (trees.next(), trees.next()) {
        (Some(only), None) => node(&only, findings),
        _ => Err(Mistake::new(
            group.span(),
            format!("expected a literal, found `{group}`"),
        )),
    }
}

fn list(group: &Group, findings: &mut Findings<Span>) -> Vec<Node<Span>> {
    let mut items = Vec::new();
    for part in split(group.stream()) {
        let item = match &part[..] {
            [one] => node(one, findings),
            [_, other, ..] => Err(Mistake::new(
                other.span(),
                format!("expected `,` between the items of a list, found `{other}`"),
            )),
            [] => continue,
        };
        match item {
            Ok(item) => items.push(item),
            Err(mistake) => findings.mistake(mistake),
        }
    }
    items
}

/// The text of a string literal; byte and C strings are none.
fn string(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut trees = group.stream().into_iter();
            let only = trees.next().filter(|_| trees.next().is_none())?;
            string(&only)
        }
        TokenTree::Literal(literal) => {
            let written = literal.to_string();
            // Most are as they are written; the others have escapes, or are raw.
            let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            if let Some(inner) =
                inner.filter(|inner| !inner.bytes().any(|byte| byte == b'\\' || byte == b'\r'))
            {
                return Some(inner.to_owned());
            }
            let parsed: syn::LitStr = syn::parse2(token.clone().into()).ok()?;
            Some(parsed.value())
        }
        _ => None,
    }
}
