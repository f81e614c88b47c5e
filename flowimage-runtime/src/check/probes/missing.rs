//! Missing libraries in words, with the package that has them and the line to add.

use super::super::seen::Seen;
use super::super::{Check, Status};
use crate::elf::{Closure, Missing};

/// The failed check of what is missing; `None` where nothing is.
pub(super) fn check(name: &str, missing: &[Missing], seen: &Seen<'_>) -> Option<Check> {
    let first = missing.first()?;
    let detail: Vec<_> = missing
        .iter()
        .map(|missing| match &missing.version {
            None => format!("{} is missing, needed by {}", missing.library, missing.needed_by),
            Some(version) => format!(
                "{} lacks {version}, needed by {}",
                missing.library, missing.needed_by
            ),
        })
        .collect();
    let advice = match &first.version {
        None => package(&first.library, seen),
        Some(_) => "choose a newer `base_image`, or build it on an older system".to_owned(),
    };
    Some(Check::new(name, Status::Fail, detail.join("; ")).advice(advice))
}

/// The line that brings a library into the image.
pub(super) fn package(library: &str, seen: &Seen<'_>) -> String {
    use crate::elf::Distribution;
    let distribution = seen.distribution.unwrap_or(Distribution::Debian);
    // What the image's own package manager knows comes first: releases differ.
    match seen
        .root
        .shlibs(library)
        .or_else(|| distribution.package_of(library))
    {
        Some(package) => seen.add_package(&package),
        None => {
            format!("add the package that has {library} to `system_dependencies`, or the file to `files`")
        }
    }
}

/// What programs need, together; each missing library is said once.
pub(super) fn join(closures: impl Iterator<Item = Closure>) -> (usize, Vec<Missing>) {
    let (mut found, mut missing) = (std::collections::BTreeSet::new(), Vec::<Missing>::new());
    for closure in closures {
        found.extend(closure.libraries.into_values());
        for it in closure.missing {
            if !missing
                .iter()
                .any(|known| known.library == it.library && known.version == it.version)
            {
                missing.push(it);
            }
        }
    }
    (found.len(), missing)
}
