//! Why an image will be as `plan` says, in words.

#[cfg(feature = "engine")]
use std::path::Path;

use flowimage_model::Declaration;
#[cfg(feature = "engine")]
use flowimage_model::declaration::UserDockerfile;
use flowimage_model::declaration::{Base, BaseImage};

use crate::at_hand;
use crate::flow::FlowUnit;
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
        return crate::base::entrypoint::told(&serde_json::Value::Null, &[]);
    }
    match at_hand::entrypoint(unit, project) {
        Some(told) => format!("{told} (when it was last built)"),
        None => "not known before it was built here once".to_owned(),
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
