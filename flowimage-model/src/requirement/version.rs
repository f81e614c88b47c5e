//! Conditions on versions: PEP 440.
//!
//! Source: <https://packaging.python.org/en/latest/specifications/version-specifiers/>.

use super::Cursor;
use crate::value_error::ValueError;

/// Comparisons, those that begin like another first.
pub(super) const OPERATORS: [&str; 8] = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"];

/// Whether a condition begins here.
pub(super) fn starts(text: &str) -> bool {
    OPERATORS.iter().any(|operator| text.starts_with(operator))
}

/// Reads one comparison with its version.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
    let Some(operator) = OPERATORS.iter().find(|operator| cursor.eat(operator)) else {
        return Err(cursor.error("expected a comparison"));
    };
    cursor.take(|it| it.is_ascii_whitespace());
    if *operator == "===" {
        // Any text at all: it is compared letter by letter.
        cursor.take(|it| !it.is_whitespace() && it != ';' && it != ')');
        return Ok(());
    }
    let rest = cursor.rest().to_ascii_lowercase();
    let mut version = Cursor { text: &rest, at: 0 };
    let Some(numbers) = version.release() else {
        return Err(cursor.error(&format!("after `{operator}` a version such as `1.2` follows")));
    };
    if *operator == "~=" && numbers < 2 {
        return Err(cursor.error("`~=` needs two numbers at least, as in `~=1.4`"));
    }
    let equality = matches!(*operator, "==" | "!=");
    if version.eat(".*") {
        if !equality {
            return Err(cursor.error(&format!(
                "`.*` goes with `==` and `!=` only, not with `{operator}`"
            )));
        }
        if version.rest().starts_with('+') || version.rest().starts_with(".*") {
            return Err(cursor.error("nothing may follow `.*`"));
        }
    } else {
        version.suffixes();
        if version.rest().starts_with(".*") {
            return Err(cursor.error("`.*` goes after plain numbers only"));
        }
        if version.local() && !equality {
            return Err(cursor.error(&format!(
                "a local version (after `+`) goes with `==` and `!=` only, not with `{operator}`"
            )));
        }
    }
    cursor.at += version.at;
    Ok(())
}

/// The parts of a version, in lower case.
impl Cursor<'_> {
    fn digits(&mut self) -> bool {
        !self.take(|it| it.is_ascii_digit()).is_empty()
    }

    /// `v1!2.3.4`: how many numbers the release has; `None` where there is none.
    fn release(&mut self) -> Option<usize> {
        self.eat("v");
        let start = self.at;
        if !self.digits() {
            return None;
        }
        if self.eat("!") && !self.digits() {
            // An epoch without a release is no version: the number stays and the sign is left over.
            self.at = start;
            self.digits();
            return Some(1);
        }
        let mut numbers = 1;
        loop {
            let before = self.at;
            if !(self.eat(".") && self.digits()) {
                self.at = before;
                return Some(numbers);
            }
            numbers += 1;
        }
    }

    /// Pre-release, post-release and development release, each at most once.
    fn suffixes(&mut self) {
        self.suffix(&["alpha", "beta", "preview", "pre", "a", "b", "c", "rc"]);
        let before = self.at;
        if !(self.eat("-") && self.digits()) {
            self.at = before;
            self.suffix(&["post", "rev", "r"]);
        }
        self.suffix(&["dev"]);
    }

    fn suffix(&mut self, words: &[&str]) {
        let before = self.at;
        self.separator();
        if !words.iter().any(|word| self.eat(word)) {
            self.at = before;
            return;
        }
        let after_word = self.at;
        self.separator();
        if !self.digits() {
            // A sign that no number follows belongs to what comes next, unless nothing does.
            self.at = after_word;
        }
    }

    fn separator(&mut self) {
        if self.rest().starts_with(['-', '_', '.']) {
            self.at += 1;
        }
    }

    /// `+abc.1`.
    fn local(&mut self) -> bool {
        let before = self.at;
        let part = |it: &mut Self| !it.take(|it| it.is_ascii_alphanumeric()).is_empty();
        if !(self.eat("+") && part(self)) {
            self.at = before;
            return false;
        }
        loop {
            let before = self.at;
            self.separator();
            if self.at == before || !part(self) {
                self.at = before;
                return true;
            }
        }
    }
}
