//! How an environment is built, and the identity that follows from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flowimage_model::Declaration;
use flowimage_model::declaration::UserDockerfile;
use flowimage_model::dockerfile::Dockerfile;
use flowimage_model::escape::expand_env;
use flowimage_model::render::environment_with_caches;

use super::context::{self, staged};
use super::sources;
use crate::assemble::files;
use crate::failure::{Failure, Stage, at};
use crate::file_index::FileIndex;
use crate::flow::FlowUnit;
use crate::listed::Listed;
use crate::oci::{Digest, Hasher};

/// The steps from a base to an environment.
pub(super) struct Recipe {
    /// Hash of all that the environment is made of.
    pub(super) identity: Digest,
    /// None where the base is taken as it is.
    pub(super) steps: Vec<Step>,
    /// Whether files, variables and commands of the declaration are in it.
    pub(super) complete: bool,
}

/// One build by the engine.
pub(super) struct Step {
    /// The Dockerfile, its lines numbered as in the whole text.
    pub(super) text: String,
    /// The same with cache mounts, for builders that have them.
    pub(super) text_with_caches: String,
    /// Values of the author's `ARG`s; a generated text has its own.
    pub(super) build_args: BTreeMap<String, String>,
    /// What it may copy.
    pub(super) context: Arc<Listed>,
    /// Whether flowimage wrote the text; else it is the author's.
    pub(super) is_generated: bool,
    /// Whether it stands on the step before.
    pub(super) continues: bool,
}

impl Recipe {
    /// The recipe of a flow, given what the images are made of that it draws from.
    ///
    /// # Errors
    /// A file or the context cannot be read.
    pub(super) fn of(
        unit: &FlowUnit,
        folder: &Path,
        bases: &[Digest],
        index: &FileIndex,
        time: u64,
    ) -> Result<Self, Failure> {
        let declaration = &unit.declaration;
        let listed = |context| {
            let listed = Listed::of(context, index).map_err(at(Stage::Build))?;
            Ok::<_, Failure>(Arc::new(listed))
        };
        let mut steps = Vec::new();
        if let Some(dockerfile) = &declaration.dockerfile {
            steps.push(Step {
                text: dockerfile.text.clone(),
                text_with_caches: dockerfile.text.clone(),
                build_args: build_args(declaration),
                context: listed(context::of_dockerfile(declaration, dockerfile, folder)?)?,
                is_generated: false,
                continues: false,
            });
        }
        let complete = declaration.generated_run().is_some();
        if complete {
            let files = files(declaration, folder).map_err(at(Stage::Build))?;
            let continues = !steps.is_empty();
            let own = |text: &str| match &declaration.dockerfile {
                Some(dockerfile) => without_start(text, dockerfile.length),
                None => text.to_owned(),
            };
            steps.push(Step {
                text: own(unit.rendered.environment_text()),
                text_with_caches: own(&environment_with_caches(declaration)),
                build_args: BTreeMap::new(),
                context: listed(staged(&files))?,
                is_generated: true,
                continues,
            });
        }
        Ok(Self {
            identity: identity(bases, &steps, time),
            steps,
            complete,
        })
    }
}

impl Step {
    /// The text on the image that the step before made.
    pub(super) fn text_on(text: &str, image: &str) -> String {
        format!("FROM {image}{text}")
    }
}

/// The declared values as a builder takes them; variables in them stand for nothing outside of a Dockerfile.
fn build_args(declaration: &Declaration) -> BTreeMap<String, String> {
    let args = declaration.build_args.iter();
    args.map(|(name, value)| (name.to_string(), expand_env(value, &|_| None)))
        .collect()
}

/// The text after the author's own, with as many empty lines as that had.
fn without_start(text: &str, length: usize) -> String {
    let (start, rest) = text.split_at(length.min(text.len()));
    "\n".repeat(start.matches('\n').count()) + rest
}

/// The images that the author's Dockerfile draws from; the last one is the base of its last stage.
pub(super) fn images(dockerfile: &UserDockerfile, declaration: &Declaration) -> Vec<String> {
    let read = Dockerfile::read(&dockerfile.text);
    let mut images = sources::images(&read, &build_args(declaration));
    let last = declaration.base_image.base().to_string();
    images.remove(&last);
    let mut images: Vec<String> = images.into_iter().collect();
    if last != "scratch" {
        images.push(last);
    }
    images
}

/// Hash of all that decides what comes out: bases, texts, and the bytes and modes of what may be copied.
fn identity(bases: &[Digest], steps: &[Step], time: u64) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(format!("environment 4\n{time}\n").as_bytes());
    for base in bases {
        hasher.update(format!("base {base}\n").as_bytes());
    }
    for step in steps {
        let files = step.context.identity();
        let head = format!("step {} {} {files}\n", step.is_generated, step.text.len());
        hasher.update(head.as_bytes());
        hasher.update(step.text.as_bytes());
        for (name, value) in &step.build_args {
            hasher.update(format!("arg {name} {} {value}\n", value.len()).as_bytes());
        }
    }
    hasher.finish().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_without_the_start() {
        let start = "FROM a\nRUN b\n";
        let text = format!("{start}\n# system_dependencies\nRUN c\n");
        let rest = format!("FROM x{}", without_start(&text, start.len()));
        assert_eq!(rest, "FROM x\n\n\n# system_dependencies\nRUN c\n");
        let line_of = |text: &str| text.lines().position(|line| line == "RUN c");
        assert_eq!(line_of(&rest), line_of(&text));
    }
}
