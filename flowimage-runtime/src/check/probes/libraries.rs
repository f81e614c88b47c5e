//! Every shared library resolves, with every symbol version: of the flow binary, of the declared commands, and of the
//! extension modules of Python packages.

use flowimage_model::declaration::Libraries as LibraryPlace;
use flowimage_model::render::{library_folder, loader_path};

use super::super::layer::Kind;
use super::super::probe::Probe;
use super::super::seen::Seen;
use super::super::{Check, Status};
use super::missing;
use crate::elf::{Closure, Elf, RootFiles, closure};

pub(crate) struct Libraries;

impl Probe for Libraries {
    fn name(&self) -> &'static str {
        "shared libraries"
    }

    fn comes_first(&self) -> bool {
        true
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        let Some((_, elf)) = seen.binary() else {
            return Vec::new();
        };
        let commands = seen
            .declaration()
            .commands
            .iter()
            .filter_map(|command| program(command.as_str(), seen));
        let modules = if seen.declaration().python_dependencies.is_empty() {
            Vec::new()
        } else {
            python_modules(seen)
        };
        let programs = std::iter::once(flow_binary(elf, seen))
            .chain(commands)
            .chain(modules);
        let (found, missing) = missing::join(programs);
        let check = missing::check(self.name(), &missing, seen)
            .unwrap_or_else(|| Check::new(self.name(), Status::Pass, format!("{found} resolve")));
        vec![check]
    }
}

/// What the flow binary is loaded with: the image's libraries, or those that are bundled with it.
fn flow_binary(elf: &Elf, seen: &Seen<'_>) -> Closure {
    let declaration = seen.declaration();
    if declaration.libraries != LibraryPlace::Bundled {
        return closure(elf, &seen.program, &seen.root);
    }
    let bundled = Elf {
        interpreter: Some(loader_path(declaration)),
        search: vec![library_folder(declaration)],
        ..elf.clone()
    };
    closure(&bundled, &seen.program, &seen.root)
}

/// What a command on `PATH` is loaded with. A script has nothing to load.
fn program(name: &str, seen: &Seen<'_>) -> Option<Closure> {
    let path = seen.on_path(name)?;
    let (path, _) = seen.root.find(&path)?;
    let elf = seen.root.elf(&path)?;
    // One for another architecture is the matter of another check.
    if elf.architecture != seen.config.architecture {
        return None;
    }
    Some(closure(&elf, &path, &seen.root))
}

/// What the extension modules of installed packages need. A wheel may bring a library along under its own name, which
/// another of its modules has then loaded already.
fn python_modules(seen: &Seen<'_>) -> Vec<Closure> {
    let installed: Vec<(&str, &Elf)> = seen
        .root
        .entries()
        .filter(|(path, _)| path.contains("/site-packages/") || path.contains("/dist-packages/"))
        .filter_map(|(path, entry)| match &entry.kind {
            Kind::File(content) => Some((path, content.elf.as_deref()?)),
            _ => None,
        })
        // What a wheel brings for other machines is not loaded on this one.
        .filter(|(_, elf)| elf.architecture == seen.config.architecture)
        .collect();
    let brought: std::collections::BTreeSet<&str> = installed
        .iter()
        .filter_map(|(path, _)| path.rsplit('/').next())
        .collect();
    installed
        .iter()
        .map(|(path, elf)| {
            let mut found = closure(elf, &format!("/{path}"), &seen.root);
            found.missing.retain(|it| !brought.contains(it.library.as_str()));
            found
        })
        .collect()
}
