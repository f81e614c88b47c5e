//! What `COPY` and `ADD` take from the build context, held against what is there.

use super::instruction::Instruction;
use super::{Dockerfile, DockerfileMistake};
use crate::declare::Surroundings;
use crate::ignore::{Ignore, matches_name};
use crate::names::PathKind;
use crate::render::STAGED;
use crate::suggest::suggest;

impl Dockerfile {
    /// Looks for each source of `COPY` and `ADD` in the build context, the folder of the declaration.
    ///
    /// Left alone: sources of other stages and images, URLs, here-documents, names with variables in them, and what
    /// flowimage itself stages. `ignored_by` names the ignore file.
    pub fn missing_sources(
        &self,
        surroundings: &dyn Surroundings,
        ignore: &Ignore,
        ignored_by: &str,
    ) -> Vec<DockerfileMistake> {
        let context = Context {
            surroundings,
            ignore,
            ignored_by,
        };
        self.instructions
            .iter()
            .flat_map(|it| context.missing(it, self.escape))
            .collect()
    }
}

/// The build context.
struct Context<'a> {
    surroundings: &'a dyn Surroundings,
    ignore: &'a Ignore,
    ignored_by: &'a str,
}

impl Context<'_> {
    fn missing(&self, instruction: &Instruction, escape: char) -> Vec<DockerfileMistake> {
        of_context(instruction, escape)
            .into_iter()
            .filter_map(|(source, offset)| {
                let (message, help) = self.look(&source)?;
                Some(instruction.mistake(offset, message).with_help(help))
            })
            .collect()
    }

    /// What is wrong with a source, and the way out.
    fn look(&self, source: &str) -> Option<(String, String)> {
        let mut parts: Vec<&str> = Vec::new();
        for part in source.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Some((
                            format!("`{source}` lies outside of the build context"),
                            "the context is the folder of `Cargo.toml`; what is elsewhere goes into the key `files`"
                                .to_owned(),
                        ));
                    }
                }
                part => parts.push(part),
            }
        }
        if parts.first() == Some(&STAGED) || parts.is_empty() {
            return None;
        }
        let mut found = vec![String::new()];
        for (depth, part) in parts.iter().enumerate() {
            let mut below = Vec::new();
            for folder in &found {
                below.extend(self.named(folder, part));
            }
            if below.is_empty() {
                return Some(self.nothing(source, &found[0], part, &parts[depth + 1..]));
            }
            found = below;
        }
        let ignored: Vec<_> = found.iter().map(|path| self.left_out(path)).collect();
        match ignored.as_slice() {
            [Some(pattern), ..] if ignored.iter().all(Option::is_some) => Some((
                format!(
                    "`{source}` is left out of the build context by `{pattern}` in {}",
                    self.ignored_by
                ),
                format!("add `!{source}` below that line, or remove the line"),
            )),
            _ => None,
        }
    }

    /// Entries of a folder by a name or a pattern of names.
    fn named(&self, folder: &str, part: &str) -> Vec<String> {
        let join = |name: &str| match folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        if !part.contains(['*', '?', '[', '\\']) {
            let path = join(part);
            let there = self.surroundings.kind(&path).is_some();
            return there.then_some(path).into_iter().collect();
        }
        let mut names = self
            .surroundings
            .names(if folder.is_empty() { "." } else { folder });
        names.sort();
        names
            .iter()
            .filter(|name| matches_name(part, name))
            .map(|name| join(name))
            .collect()
    }

    /// The pattern that leaves a path out, where nothing below it is brought back.
    fn left_out(&self, path: &str) -> Option<&str> {
        let nothing_left = match self.surroundings.kind(path) {
            Some(PathKind::Folder) => self.ignore.excludes_all_below(path),
            _ => self.ignore.excludes(path),
        };
        nothing_left.then(|| self.ignore.reason(path)).flatten()
    }

    fn nothing(&self, source: &str, folder: &str, part: &str, rest: &[&str]) -> (String, String) {
        let message = format!("`{source}` is not in the build context");
        let names = self
            .surroundings
            .names(if folder.is_empty() { "." } else { folder });
        let help = match suggest(part, names.iter().map(String::as_str)) {
            Some(near) => {
                let parts: Vec<_> = [folder, near].into_iter().chain(rest.iter().copied()).collect();
                let path = parts.join("/");
                format!("did you mean `{}`?", path.trim_start_matches('/'))
            }
            None => "the context is the folder of `Cargo.toml`".to_owned(),
        };
        (message, help)
    }
}

/// What an instruction takes from the build context, each with its byte in the line.
pub(super) fn of_context(instruction: &Instruction, escape: char) -> Vec<(String, usize)> {
    if !matches!(instruction.word.as_str(), "COPY" | "ADD") || instruction.flag("from").is_some() {
        return Vec::new();
    }
    let mut list = instruction.list(escape);
    list.pop();
    list.retain(|(source, _)| !is_elsewhere(source, &instruction.word));
    list
}

/// Whether a source is none of the build context's.
fn is_elsewhere(source: &str, word: &str) -> bool {
    let remote = word == "ADD" && (source.contains("://") || source.starts_with("git@"));
    remote || source.contains('$') || super::heredoc::is_one(source)
}
