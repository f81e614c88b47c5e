//! Stages: what stands on what, and the names by which others are meant.

use std::collections::BTreeSet;

use super::check::Found;
use super::instruction::Instruction;
use super::{Dockerfile, DockerfileDoubt, DockerfileMistake};
use crate::declaration::Base;
use crate::declare::UNPINNED_BASE;
use crate::suggest::suggest;
use crate::tree::Position;

/// One stage: its name, the external image it stands on in the end, and its user.
pub(super) struct Stage {
    pub(super) name: Option<String>,
    pub(super) base: String,
    pub(super) user: Option<String>,
    /// Whether the base stands in the file, rather than in the default of an `ARG`.
    written: bool,
    place: Position,
}

/// What builders set before the first `FROM`.
const AUTOMATIC: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// The stages of a file, in order.
pub(super) fn read(file: &Dockerfile) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut defaults: Vec<(String, String)> = Vec::new();
    for instruction in &file.instructions {
        match instruction.word.as_str() {
            "ARG" if stages.is_empty() => {
                for word in instruction.quoted_words(file.escape) {
                    let text = super::instruction::unquoted(word.text, file.escape);
                    if let Some((name, value)) = text.split_once('=') {
                        defaults.push((name.to_owned(), value.to_owned()));
                    }
                }
            }
            "USER" => {
                if let Some(stage) = stages.last_mut() {
                    stage.user = Some(instruction.rest().to_owned());
                }
            }
            "FROM" => {
                let (image, name) = image_and_name(instruction);
                let expanded = crate::escape::expand_env(image, &|wanted| {
                    let default = defaults.iter().rev().find(|(name, _)| name == wanted);
                    default.map(|(_, value)| value.clone())
                });
                let wanted = expanded.to_ascii_lowercase();
                let below = stages
                    .iter()
                    .rev()
                    .find(|stage| stage.name.as_deref() == Some(&wanted));
                let (base, user) = match below {
                    Some(stage) => (stage.base.clone(), stage.user.clone()),
                    None => (expanded, None),
                };
                stages.push(Stage {
                    name,
                    base,
                    user,
                    written: below.is_none() && !image.contains('$'),
                    place: instruction.place(instruction.in_rest(0)),
                });
            }
            _ => {}
        }
    }
    stages
}

fn image_and_name(from: &Instruction) -> (&str, Option<String>) {
    let words = from.words();
    let image = words.first().map_or("", |word| word.text);
    let name = match words.as_slice() {
        [_, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => Some(name.text.to_ascii_lowercase()),
        _ => None,
    };
    (image, name)
}

/// Looks at the order of instructions and at every mention of a stage.
pub(super) fn check(file: &Dockerfile, found: &mut Found) {
    let Some(first) = file.instructions.iter().position(|it| it.word == "FROM") else {
        found.mistakes.push(
            DockerfileMistake::new(
                Position { line: 1, column: 1 },
                "no FROM: a Dockerfile starts from an image",
            )
            .with_help("begin with `FROM debian:bookworm-slim`, say"),
        );
        return;
    };
    for early in &file.instructions[..first] {
        if early.word != "ARG" && super::INSTRUCTIONS.contains(&early.word.as_str()) {
            found.mistakes.push(
                early
                    .mistake(
                        early.word_offset,
                        format!("`{}` stands before the first `FROM`", early.word),
                    )
                    .with_help("only `ARG` may: move it behind"),
            );
        }
    }
    let mut names = Names::of(file, first);
    for instruction in &file.instructions[first..] {
        let instruction = match instruction.word.as_str() {
            "ONBUILD" => &instruction.inner(file.escape),
            _ => instruction,
        };
        match instruction.word.as_str() {
            "FROM" => names.from(instruction, found),
            "COPY" => names.copy(instruction, found),
            "RUN" => names.mounts(instruction, found),
            _ => {}
        }
    }
    if let Some(last) = read(file).last()
        && last.written
        && last.base.parse().is_ok_and(|base: Base| base.floats())
    {
        found.doubts.push(DockerfileDoubt {
            lint: UNPINNED_BASE,
            mistake: DockerfileMistake::new(
                last.place,
                format!("`{}` has neither tag nor digest", last.base),
            )
            .with_help("name a tag, or `allow = [\"unpinned_base\"]`"),
        });
    }
}

/// The names of stages while a file is read from the top.
struct Names {
    /// Of the stages so far, the one that is read last.
    seen: Vec<Option<String>>,
    /// All names of the file.
    all: Vec<String>,
    /// What each `FROM` names that is no stage.
    images: Vec<String>,
    /// Variables that stand before the first `FROM`.
    variables: BTreeSet<String>,
}

impl Names {
    fn of(file: &Dockerfile, first: usize) -> Self {
        let froms = || {
            file.instructions
                .iter()
                .filter(|it| it.word == "FROM")
                .map(image_and_name)
        };
        let all: Vec<_> = froms().filter_map(|(_, name)| name).collect();
        Self {
            seen: Vec::new(),
            images: froms()
                .map(|(image, _)| image.to_ascii_lowercase())
                .filter(|image| !all.contains(image))
                .collect(),
            all,
            variables: file.instructions[..first]
                .iter()
                .flat_map(|it| it.quoted_words(file.escape))
                .map(|word| word.text.split('=').next().unwrap_or_default().to_owned())
                .collect(),
        }
    }

    fn from(&mut self, from: &Instruction, found: &mut Found) {
        let (image, name) = image_and_name(from);
        let offset = from.in_rest(0);
        for wanted in crate::escape::referenced_names(image) {
            if !self.variables.contains(&wanted) && !AUTOMATIC.contains(&wanted.as_str()) {
                let message = format!("`{wanted}` is not declared before the first `FROM`");
                found.mistakes.push(
                    from.mistake(offset, message)
                        .with_help(format!("write `ARG {wanted}=…` above it")),
                );
            }
        }
        self.mention(from, image, offset, found, false);
        if let Some(name) = &name
            && self.seen.contains(&Some(name.clone()))
        {
            let at = from.words().last().map_or(offset, |word| word.offset);
            found.mistakes.push(
                from.mistake(at, format!("two stages are called `{name}`"))
                    .with_help("give each a name of its own"),
            );
        }
        self.seen.push(name);
    }

    fn copy(&self, copy: &Instruction, found: &mut Found) {
        if let Some(flag) = copy.flag("from")
            && let Some(name) = &flag.value
        {
            self.mention(copy, name, flag.value_offset(), found, true);
        }
    }

    fn mounts(&self, run: &Instruction, found: &mut Found) {
        for flag in run.flags.iter().filter(|flag| flag.name == "mount") {
            let pairs = flag.value.as_deref().unwrap_or_default().split(',');
            for name in pairs.filter_map(|pair| pair.strip_prefix("from=")) {
                self.mention(run, name, flag.value_offset(), found, true);
            }
        }
    }

    /// Looks at a word that is a stage, or else an image. `by_number` where a stage's number may stand too.
    fn mention(
        &self,
        instruction: &Instruction,
        name: &str,
        offset: usize,
        found: &mut Found,
        by_number: bool,
    ) {
        if name.contains('$') || name.is_empty() {
            return;
        }
        let lower = name.to_ascii_lowercase();
        let mistake = |message: String| instruction.mistake(offset, message);
        // In a `FROM` the stage that it begins is not yet among these, else it is the last.
        let before = if by_number {
            &self.seen[..self.seen.len().saturating_sub(1)]
        } else {
            &self.seen[..]
        };
        // Named by another `FROM`, it is an image indeed.
        let named = self.images.iter().filter(|image| **image == lower).count();
        if before.contains(&Some(lower.clone())) || named > usize::from(!by_number) {
            return;
        }
        if by_number && let Ok(number) = name.parse::<usize>() {
            if number >= before.len() {
                let help = match before.len() {
                    0 => "there is no stage before this one".to_owned(),
                    count => format!("the stages before this one are 0 to {}", count - 1),
                };
                found.mistakes.push(
                    mistake(format!("no stage before this one has the number {number}")).with_help(help),
                );
            }
        } else if by_number && self.seen.last() == Some(&Some(lower.clone())) {
            found.mistakes.push(
                mistake(format!("the stage `{name}` takes from itself"))
                    .with_help("name a stage before it, or an image"),
            );
        } else if self.all.contains(&lower) {
            // For `FROM name AS name` the name is that of an image.
            let own = !by_number && image_and_name(instruction).1.as_deref() == Some(&lower);
            if !own {
                found.mistakes.push(
                    mistake(format!("the stage `{name}` begins only further down"))
                        .with_help("move it above this line"),
                );
            }
        } else if let Some(near) = self.meant(&lower) {
            found
                .mistakes
                .push(mistake(format!("no stage is called `{name}`")).with_help(format!(
                    "did you mean `{near}`? For an image of that name write its tag"
                )));
        } else if by_number && let Err(error) = lower.parse::<crate::declaration::Base>() {
            found.mistakes.push(
                mistake(format!("`{name}` is neither a stage nor an image")).with_help(error.message()),
            );
        }
    }

    /// The stage that a bare word is most likely mistyped for: an image without a tag could be meant as well.
    fn meant(&self, name: &str) -> Option<&str> {
        if name.contains(['/', ':', '@', '.']) {
            return None;
        }
        suggest(name, self.all.iter().map(String::as_str))
            .filter(|near| strsim::damerau_levenshtein(name, near) <= 2)
    }
}
