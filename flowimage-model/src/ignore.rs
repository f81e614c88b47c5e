//! What an ignore file (`.dockerignore`, the key `dockerignore`) leaves out of a build context.
//!
//! Docker's rules, which are not git's: a pattern without a slash means the context's root alone (`*.md` keeps
//! `docs/a.md`, `**/*.md` does not); what it matches is left out with everything below; of the patterns that match,
//! the last one decides, and one that begins with `!` brings back. `Dockerfile` and the ignore file itself are
//! treated as any other file: a builder reads them also where they are left out.
//!
//! Source: <https://docs.docker.com/build/concepts/context/#dockerignore-files>, and what it is made of:
//! `github.com/moby/patternmatcher` with its `ignorefile`. No engine applies an ignore file to a context that was
//! sent to it as an archive, so that whoever makes the archive must.

mod pattern;

use crate::value_error::{ValueError, shown};
use pattern::Pattern;

/// What is left out where there is no ignore file: `target` and `.git`.
const WITHOUT_FILE: &str = "target\n.git\n";

/// The rules of an ignore file.
///
/// To walk a folder: leave out what [`Ignore::excludes`], and do not enter what [`Ignore::excludes_all_below`].
/// A folder that is left out and entered has no entry of its own: it is there where something in it is.
#[derive(Clone, Debug)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// One line: what matches is left out, or brought back.
#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    brings_back: bool,
    written: String,
}

/// A line of an ignore file that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreMistake {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: ValueError,
}

impl Default for Ignore {
    fn default() -> Self {
        Self::parse(WITHOUT_FILE).unwrap_or(Self { rules: Vec::new() })
    }
}

impl Ignore {
    /// Reads the text of an ignore file.
    ///
    /// # Errors
    /// Every line that builders refuse or do not agree about.
    pub fn parse(text: &str) -> Result<Self, Vec<IgnoreMistake>> {
        let mut rules = Vec::new();
        let mut mistakes = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.split('\n').enumerate() {
            match Rule::parse(line) {
                Ok(rule) => rules.extend(rule),
                Err(error) => mistakes.push(IgnoreMistake {
                    line: index + 1,
                    error,
                }),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { rules })
        } else {
            Err(mistakes)
        }
    }

    /// The ignore files that a Dockerfile may have, the first one that exists counts: one beside the Dockerfile with
    /// its name and `.dockerignore`, and the context's own.
    pub fn candidates(dockerfile: Option<&str>) -> Vec<String> {
        dockerfile
            .map(|path| format!("{path}.dockerignore"))
            .into_iter()
            .chain([".dockerignore".to_owned()])
            .collect()
    }

    /// Whether a path is left out. It is relative to the context, its parts separated by one `/`, with none at the
    /// ends.
    pub fn excludes(&self, path: &str) -> bool {
        self.deciding(path).is_some_and(|rule| !rule.brings_back)
    }

    /// Whether a folder is left out and nothing below it can be brought back, so that it need not be entered.
    pub fn excludes_all_below(&self, folder: &str) -> bool {
        self.excludes(folder)
            && !self
                .rules
                .iter()
                .any(|rule| rule.brings_back && rule.pattern.may_match_below(folder))
    }

    /// The line that leaves a path out, as written, for a message.
    pub fn reason(&self, path: &str) -> Option<&str> {
        self.deciding(path)
            .filter(|rule| !rule.brings_back)
            .map(|rule| rule.written.as_str())
    }

    /// The last rule that changed whether the path is in.
    fn deciding(&self, path: &str) -> Option<&Rule> {
        let mut deciding: Option<&Rule> = None;
        for rule in &self.rules {
            let left_out = deciding.is_some_and(|it| !it.brings_back);
            if rule.brings_back == left_out && rule.pattern.matches_or_parent(path) {
                deciding = Some(rule);
            }
        }
        deciding
    }
}

impl Rule {
    /// Reads a line; `None` for one that says nothing.
    fn parse(line: &str) -> Result<Option<Self>, ValueError> {
        // Before trimming: ` #x` is the pattern `#x`.
        if line.starts_with('#') || line.trim().is_empty() {
            return Ok(None);
        }
        let written = line.trim();
        let (brings_back, text) = match written.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, written),
        };
        if text.is_empty() {
            return Err(ValueError::new("`!` brings nothing back")
                .with_help("write a pattern after it, as in `!README.md`"));
        }
        let cleaned = clean(text);
        let relative = match cleaned.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest,
            _ => &cleaned,
        };
        let pattern = Pattern::parse(relative).map_err(|why| {
            ValueError::new(format!("{} is no pattern: {}", shown(written), why.message())).with_help(
                why.help()
                    .unwrap_or("see https://docs.docker.com/build/concepts/context/#dockerignore-files"),
            )
        })?;
        Ok(Some(Self {
            pattern,
            brings_back,
            written: written.to_owned(),
        }))
    }
}

/// Whether a name in a folder is one that a source of `COPY` with wildcards means.
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    Pattern::parse(pattern).is_ok_and(|it| it.matches(name))
}

/// A pattern without empty parts and `.`, and without `..` where a part before it can go: as Go's `filepath.Clean`.
fn clean(text: &str) -> String {
    let rooted = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(text: &str) -> Ignore {
        Ignore::parse(text).unwrap_or_else(|mistakes| panic!("{text:?}: {mistakes:?}"))
    }

    /// Each row: an ignore file, what it leaves out, what it keeps.
    #[test]
    fn leaves_out_what_docker_leaves_out() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("*.md", &["a.md", ".md", "a.md/b"], &["docs/a.md", "a.mdx"]),
            ("**/*.md", &["a.md", "docs/a.md", "a/b/c.md"], &["a.txt"]),
            (
                "*/temp*",
                &["a/temp", "a/temporary.txt", "a/temp/b"],
                &["temp", "a/b/temp"],
            ),
            ("temp?", &["tempa", "tempb/c"], &["temp", "tempab"]),
            ("docs", &["docs", "docs/a", "docs/a/b"], &["a/docs", "docs2"]),
            ("docs/", &["docs", "docs/a"], &["a/docs"]),
            ("/docs", &["docs", "docs/a"], &["a/docs"]),
            ("./docs/../x//y/", &["x/y", "x/y/z"], &["docs", "x"]),
            ("**", &["a", "a/b"], &[]),
            ("*", &["a", "a/b"], &[]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b"]),
            ("a**", &["a", "ab", "ab/c", "a/b"], &["b/a"]),
            ("a/**/z", &["a/z", "a/b/z", "a/b/c/z/d"], &["a/bz", "a", "z"]),
            ("**/z", &["z", "a/z", "a/z/b"], &["az", "a/bz"]),
            ("**z", &["z", "az", "a/bz"], &["zb"]),
            ("[a-c]?[^0]", &["bx1", "axé"], &["dx1", "bx0", "bx"]),
            ("a\\*b", &["a*b"], &["axb", "a\\*b"]),
            ("a.b$(c)+{d}|", &["a.b$(c)+{d}|"], &["axb$(c)+{d}|"]),
            ("é?", &["éé"], &["é"]),
            (
                "*.md\n!README*.md\nREADME-secret.md",
                &["a.md", "README-secret.md"],
                &["README.md", "README-a.md"],
            ),
            (
                "*.md\nREADME-secret.md\n!README*.md",
                &["a.md"],
                &["README-secret.md"],
            ),
            ("*\n!src", &["a", "a/src"], &["src", "src/a/b"]),
            (
                "a\n!a/b/c\na/b/c/d",
                &["a", "a/x", "a/b", "a/b/c/d", "a/b/c/d/e"],
                &["a/b/c", "a/b/c/e"],
            ),
            ("*\n!**/*.rs", &["a", "a/b.md"], &["a.rs", "a/b.rs", "a/b/c.rs"]),
            ("!a\na", &["a"], &[]),
            (
                "\u{feff}# a\n\n  b  \r\n #c\r\n! d\n",
                &["b", "#c"],
                &["a", "d", "# a"],
            ),
            (
                "Dockerfile\n.dockerignore",
                &["Dockerfile", ".dockerignore"],
                &["x/Dockerfile"],
            ),
            ("/\n.\n..\n../x", &[], &["a", "x"]),
            ("", &[], &["target", ".git"]),
        ];
        for (text, out, kept) in rows {
            let ignore = ignore(text);
            for path in *out {
                assert!(ignore.excludes(path), "{text:?} leaves out {path}");
            }
            for path in *kept {
                assert!(!ignore.excludes(path), "{text:?} keeps {path}");
            }
        }
    }

    #[test]
    fn enters_a_folder_only_where_something_may_be_brought_back() {
        for (text, entered, skipped) in [
            ("*", "", "a"),
            ("*\n!a/b/c.txt", "a a/b", "a/c b ab a/b/d.txt"),
            ("*\n!**/*.rs", "a a/b", ""),
            ("*\n!a/*/c", "a a/b", "b a/b/d"),
            ("a\n!a/[xy]*", "a", "a/z"),
            ("a\n!b", "b", "a"),
            ("*\n!docs\ndocs/x", "docs", "docs/x"),
        ] {
            let ignore = ignore(text);
            for folder in entered.split_whitespace() {
                assert!(!ignore.excludes_all_below(folder), "{text:?} enters {folder}");
            }
            for folder in skipped.split_whitespace() {
                assert!(
                    ignore.excludes_all_below(folder),
                    "{text:?} does not enter {folder}"
                );
            }
        }
    }

    #[test]
    fn without_a_file_target_and_git_are_left_out() {
        let ignore = Ignore::default();
        for path in ["target", "target/debug/x", ".git", ".git/HEAD"] {
            assert!(ignore.excludes(path), "{path}");
        }
        for path in ["src/target", ".gitignore", "targets", "a/.git"] {
            assert!(!ignore.excludes(path), "{path}");
        }
        assert!(ignore.excludes_all_below("target"));
        assert_eq!(ignore.reason("target/x"), Some("target"));
        assert_eq!(ignore.reason("src"), None);
    }

    #[test]
    fn a_dockerfile_s_own_ignore_file_comes_first() {
        assert_eq!(
            Ignore::candidates(Some("docker/Dockerfile")),
            ["docker/Dockerfile.dockerignore", ".dockerignore"]
        );
        assert_eq!(Ignore::candidates(None), [".dockerignore"]);
    }

    #[test]
    fn says_every_line_that_is_no_pattern() {
        let found = Ignore::parse("a\n!\n[a\n[]\n[b-a]\n[*]\n\\d\na\\\na^b\n[a-]").unwrap_err();
        let said: Vec<_> = found
            .iter()
            .map(|it| format!("{}: {}", it.line, it.error))
            .collect();
        assert_eq!(
            said,
            [
                "2: `!` brings nothing back",
                "3: `[a` is no pattern: `[` has no `]`",
                "4: `[]` is no pattern: `[]` names no character",
                "5: `[b-a]` is no pattern: the range `b-a` is empty",
                "6: `[*]` is no pattern: builders do not read `*` within brackets as itself",
                "7: `\\d` is no pattern: builders do not read `\\d` as `d`",
                "8: `a\\` is no pattern: a backslash at the end protects nothing",
                "9: `a^b` is no pattern: builders do not agree about `^`",
                "10: `[a-]` is no pattern: `-` within brackets stands between two characters",
            ]
        );
    }
}
