//! Writes a flow's Dockerfile with everything it copies into a folder, so that a plain `docker build` of the folder
//! makes an image in which the flow runs the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flowimage_model::declaration::{Base, Libraries};
use flowimage_model::render::{STAGED, library_folder, staged_file};

use crate::assemble::{Binary, files, libraries, shipped_programs};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layer::{Content, LayerBuilder};
use crate::pipeline::Options;
use crate::project::Project;
use crate::{elf, scratch};

/// Writes the folder. It must be empty or not there: nothing of yours is overwritten.
///
/// # Errors
/// The folder is in use or cannot be written; a file cannot be read.
pub fn write(unit: &FlowUnit, options: &Options, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::text(
            Stage::Build,
            format!("cannot write {}: {error}", path.display()),
            "choose a folder that you may write",
        )
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let used = fs::read_dir(folder)
        .map_err(|error| failed(folder, error))?
        .next()
        .is_some();
    if used {
        return Err(Failure::text(
            Stage::Build,
            format!("{} is not empty", folder.display()),
            "name a new folder: nothing of yours is overwritten",
        ));
    }
    let source = Project::of(unit.entry).map_err(at(Stage::Build))?.folder;
    let path = match &options.binary {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(|error| failed(Path::new("the flow binary"), error))?,
    };
    let binary = Binary::read(&path)?;
    let declaration = &unit.declaration;
    #[cfg(feature = "engine")]
    if let Some(dockerfile) = &declaration.dockerfile {
        let own = crate::environment::of_dockerfile(declaration, dockerfile, &source)?;
        materialise(&own, folder).map_err(|error| failed(folder, error))?;
    }
    let staged = folder.join(STAGED);
    if declaration.needs_run().is_none() {
        let root = if *declaration.base_image.base() == Base::Scratch {
            scratch::root(&binary.path, &binary.elf, &shipped_programs(declaration, &source))
                .map_err(at(Stage::Build))?
        } else {
            LayerBuilder::new()
        };
        let rootfs = staged.join("rootfs");
        materialise(&root, &rootfs).map_err(|error| failed(&staged, error))?;
        // The home is copied by a step of its own, which gives it its owner.
        let _ = fs::remove_dir_all(rootfs.join("home"));
        fs::create_dir_all(staged.join("home")).map_err(|error| failed(&staged, error))?;
    }
    if declaration.libraries == Libraries::Bundled {
        let own = library_folder(declaration);
        for (path, entry) in libraries(declaration, &binary)?.entries() {
            let name = path.strip_prefix(own.trim_start_matches('/')).unwrap_or_default();
            if let (Content::Host(file), false) = (&entry.content, name.is_empty()) {
                let path = staged.join("lib").join(name.trim_start_matches('/'));
                fs::create_dir_all(staged.join("lib")).map_err(|error| failed(&staged, error))?;
                fs::copy(file, &path).map_err(|error| failed(&path, error))?;
            }
        }
    }
    let files = files(declaration, &source).map_err(at(Stage::Build))?;
    materialise(&files, &folder.join(staged_file(""))).map_err(|error| failed(&staged, error))?;
    let flow = staged.join("flow");
    if binary.has_debug_sections {
        let bytes = elf::strip(&binary.path).map_err(at(Stage::Build))?;
        fs::write(&flow, bytes).map_err(|error| failed(&flow, error))?;
    } else {
        fs::copy(&binary.path, &flow).map_err(|error| failed(&flow, error))?;
    }
    fs::set_permissions(&flow, fs::Permissions::from_mode(0o755)).map_err(|error| failed(&flow, error))?;
    let dockerfile = folder.join("Dockerfile");
    fs::write(&dockerfile, &unit.rendered.text).map_err(|error| failed(&dockerfile, error))
}

/// The entries of a layer as files of a folder. Owners are left out: only root could set them, and `COPY` does not
/// keep them.
fn materialise(layer: &LayerBuilder, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (path, entry) in layer.entries() {
        let path = folder.join(path);
        match &entry.content {
            Content::Folder => fs::create_dir_all(&path)?,
            Content::Bytes(bytes) => fs::write(&path, bytes)?,
            Content::Host(source) => {
                fs::copy(source, &path)?;
            }
            Content::Link(target) => {
                std::os::unix::fs::symlink(target, &path)?;
                continue;
            }
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode))?;
    }
    Ok(())
}
