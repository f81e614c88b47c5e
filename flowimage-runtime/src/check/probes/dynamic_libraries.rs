//! What programs open at run time is there, with all that it needs in turn.

use super::super::probe::Probe;
use super::super::seen::Seen;
use super::super::{Check, Status};
use super::missing;
use crate::elf::{RootFiles, closure, find_library};

pub(crate) struct DynamicLibraries;

/// Where drivers lie that are opened by the path in a configuration: below the folders of libraries, one deeper.
const DRIVERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/odbc",
    "/usr/lib/aarch64-linux-gnu/odbc",
    "/usr/lib64/odbc",
    "/usr/lib/odbc",
];

impl Probe for DynamicLibraries {
    fn name(&self) -> &'static str {
        "dynamic libraries"
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().dynamic_libraries.is_empty()
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        let mut closures = Vec::new();
        for library in &seen.declaration().dynamic_libraries {
            let library = library.as_str();
            let Some(path) = path_of(library, seen) else {
                let check = match seen.root.exists(library) {
                    false => Check::new(
                        self.name(),
                        Status::Fail,
                        format!("{library} is missing, which the flow opens at run time"),
                    )
                    .advice(missing::package(library, seen)),
                    true => Check::new(
                        self.name(),
                        Status::Fail,
                        format!("{library} is no shared library"),
                    )
                    .advice("look at what put the file there"),
                };
                return vec![check];
            };
            if let Some(elf) = seen.root.elf(&path) {
                closures.push(closure(&elf, &path, &seen.root));
            }
        }
        let (_, missing) = missing::join(closures.into_iter());
        let count = seen.declaration().dynamic_libraries.len();
        let check = missing::check(self.name(), &missing, seen)
            .unwrap_or_else(|| Check::new(self.name(), Status::Pass, format!("{count} found")));
        vec![check]
    }
}

fn path_of(library: &str, seen: &Seen<'_>) -> Option<String> {
    let architecture = &seen.config.architecture;
    find_library(library, architecture, &seen.root).or_else(|| {
        let drivers = DRIVERS.iter().map(|folder| format!("{folder}/{library}"));
        let mut drivers = drivers.filter(|_| !library.starts_with('/'));
        drivers.find(|path| seen.root.elf(path).is_some())
    })
}
