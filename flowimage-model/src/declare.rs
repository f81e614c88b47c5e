//! From what was written to a [`Declaration`]: every key read, every rule checked, every mistake at its place.

mod dockerfile;
mod draft;
mod paths;
pub(crate) mod read;
mod rules;

use crate::declaration::Declaration;
use crate::names::PathKind;
use crate::tree::{Findings, Tree};

pub use draft::DEFAULT_FLOW_DIRECTORY;
use draft::Draft;
use read::Reader;

/// The item that carries the attribute.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// Its identifier, as written.
    pub name: &'a str,
    /// Its doc comment, lines joined, trimmed; empty where it has none.
    pub docs: &'a str,
}

/// What a declaration may ask of the folder it stands in. Paths are as declared: relative to the crate, or
/// absolute.
pub trait Surroundings {
    /// What is at the path; `None` where nothing is.
    fn kind(&self, path: &str) -> Option<PathKind>;
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn text(&self, path: &str) -> Result<String, String>;
    /// Entries of a folder by name, for "did you mean"; empty where it cannot be read.
    fn names(&self, folder: &str) -> Vec<String>;
}

/// The lint of bases with neither tag nor digest.
pub(crate) const UNPINNED_BASE: &str = "unpinned_base";

/// Lints that `allow` takes.
pub const LINTS: [&str; 4] = [
    crate::dockerfile::PUBLISHED_PORT,
    rules::secrets::SECRET_NAME,
    crate::dockerfile::SHELL_FORM,
    UNPINNED_BASE,
];

/// Reads the merged keys of a flow into its declaration.
///
/// `whole` is the place for what has no better one. The declaration is `None` exactly where there is a mistake.
pub fn declare<P: Clone>(
    item: &Item<'_>,
    whole: &P,
    keys: Tree<P>,
    surroundings: &dyn Surroundings,
) -> (Option<Declaration>, Findings<P>) {
    let mut reader = Reader::new(keys, &crate::keys::KEYS);
    let draft = Draft::read(item, whole, &mut reader, surroundings);
    let mut findings = reader.finish();
    rules::check(&draft, &mut findings);
    silence(&draft, &mut findings);
    let declaration = findings.mistakes.is_empty().then(|| draft.finish()).flatten();
    (declaration, findings)
}

/// Drops the doubts that `allow` names.
fn silence<P>(draft: &Draft<P>, findings: &mut Findings<P>) {
    findings
        .doubts
        .retain(|doubt| !draft.allow.iter().any(|lint| lint.value == doubt.lint));
}

/// The kebab-case of a Rust identifier: `NightlyOrders` and `nightly_orders` are `nightly-orders`.
pub fn kebab_case(identifier: &str) -> String {
    let identifier = identifier.strip_prefix("r#").unwrap_or(identifier);
    let mut kebab = String::with_capacity(identifier.len() + 4);
    let mut previous = '_';
    let mut letters = identifier.chars().peekable();
    while let Some(letter) = letters.next() {
        let starts_word = letter.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_ascii_digit()
                || (previous.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase())));
        if (letter == '_' || starts_word) && !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
        if letter != '_' {
            kebab.extend(letter.to_lowercase());
        }
        previous = letter;
    }
    kebab.trim_end_matches('-').to_owned()
}
