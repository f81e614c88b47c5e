//! Why an image will be as `plan` says, in words.

#[cfg(feature = "engine")]
use std::path::Path;

use flowimage_model::Declaration;
#[cfg(feature = "engine")]
use flowimage_model::declaration::UserDockerfile;
use flowimage_model::declaration::{Base, BaseImage};
use serde_json::Value;

use crate::at_hand;
use crate::flow::FlowUnit;
use crate::oci;
use crate::project::Project;

/// The base, and who chose it.
pub(crate) fn base(declaration: &Declaration) -> String {
    let base = &declaration.base_image;
    let why = match base {
        BaseImage::Declared(_) => "declared".to_owned(),
        BaseImage::Dockerfile(_) => "the Dockerfile's".to_owned(),
        BaseImage::Inferred(_) if !declaration.python_dependencies.is_empty() => {
            "inferred: `python_dependencies` needs a Python".to_owned()
        }
        BaseImage::Inferred(_) if declaration.python_version.is_some() => {
            "inferred from `python_version`".to_owned()
        }
        BaseImage::Inferred(_) => match declaration.needs_run() {
            Some(key) => format!("inferred: `{key}` needs RUN"),
            None => "inferred: nothing needs RUN".to_owned(),
        },
    };
    format!("{} ({why})", base.base())
}

/// What stands in front of the flow; with a base it is known once that was looked at.
pub(crate) fn entrypoint(unit: &FlowUnit, project: &Project, declaration: &Declaration) -> String {
    if *declaration.base_image.base() == Base::Scratch && declaration.dockerfile.is_none() {
        return entrypoint_of(&Value::Null, &[]);
    }
    match at_hand::entrypoint(unit, project) {
        Some(told) => format!("{told} (when it was last built)"),
        None => "not known before it was built here once".to_owned(),
    }
}

/// What became of the entrypoint of a configuration, of which these words are kept.
pub(crate) fn entrypoint_of(config: &Value, kept: &[String]) -> String {
    let words = oci::config::entrypoint(config);
    if !kept.is_empty() {
        return format!(
            "`{}` of the base, which runs the flow as its argument",
            kept.join(" ")
        );
    }
    match words.is_empty() {
        true => "the flow itself".to_owned(),
        false => format!(
            "the flow itself, in place of the base's `{}`, which does not run its arguments",
            words.join(" ")
        ),
    }
}

/// What the author's Dockerfile may copy.
#[cfg(feature = "engine")]
pub(crate) fn context(declaration: &Declaration, dockerfile: &UserDockerfile, folder: &Path) -> String {
    match crate::environment::ignore_file(declaration, dockerfile, folder) {
        Some(file) => format!("the crate's folder without what {file} leaves out"),
        None => "the crate's folder without `target` and `.git`, as there is no ignore file".to_owned(),
    }
}
