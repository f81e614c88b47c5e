//! Tells a program whose source has changed since it was compiled: it would build what the source no longer says.

use std::path::Path;

use flowimage_model::names::GroupName;
use flowimage_model::settings::{FILE, fingerprint};

use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::project::Project;
use crate::settings;

const REBUILD: &str = "compile it again: `touch` a source file of the crate, then `cargo run`; \
                       `flowimage::build::track()` in a build script does it of itself";

/// Refuses a flow whose Dockerfile, `flowimage.toml` or kinds of files are others than those compiled in.
///
/// # Errors
/// They are; or they cannot be read.
pub fn refuse(unit: &FlowUnit, project: &Project) -> Result<(), Failure> {
    refuse_dockerfile(unit, &project.folder)?;
    refuse_settings(unit, &project.folder, &project.root)?;
    refuse_kinds(unit, &project.folder)
}

fn refuse_dockerfile(unit: &FlowUnit, folder: &Path) -> Result<(), Failure> {
    let Some(dockerfile) = &unit.declaration.dockerfile else {
        return Ok(());
    };
    let path = folder.join(&dockerfile.path);
    match std::fs::read_to_string(&path) {
        Ok(text) if text == dockerfile.text => Ok(()),
        Ok(_) => Err(Failure::text(
            Stage::Plan,
            format!("{} changed after this program was compiled", path.display()),
            "compile it again: `cargo run` does",
        )),
        Err(error) => Err(Failure::text(
            Stage::Plan,
            format!("cannot read {}: {error}", path.display()),
            "put it back, or change `dockerfile`",
        )),
    }
}

fn refuse_settings(unit: &FlowUnit, folder: &Path, root: &Path) -> Result<(), Failure> {
    let (path, settings) = settings::read(folder, root).map_err(at(Stage::Plan))?;
    let image = unit.declaration.image.as_ref().map(GroupName::as_str);
    if fingerprint(&settings, image) == unit.entry.settings {
        return Ok(());
    }
    let message = match path {
        Some(path) => format!(
            "{} says other things of `{}` than when this program was compiled",
            path.display(),
            unit.entry.name
        ),
        None => format!("the {FILE} that this program was compiled with is gone"),
    };
    Err(Failure::text(Stage::Plan, message, REBUILD))
}

/// What was a file is copied as one, and a folder as a folder.
fn refuse_kinds(unit: &FlowUnit, folder: &Path) -> Result<(), Failure> {
    for file in &unit.declaration.files {
        let path = folder.join(&file.source);
        // One that is gone is said where it is read.
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        if metadata.is_dir() != file.folder {
            let (was, is) = if file.folder {
                ("a folder", "a file")
            } else {
                ("a file", "a folder")
            };
            let message = format!(
                "{} was {was} when this program was compiled, and is {is} now",
                path.display()
            );
            return Err(Failure::text(Stage::Plan, message, REBUILD));
        }
    }
    Ok(())
}
