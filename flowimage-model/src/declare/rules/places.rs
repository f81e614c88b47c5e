//! Places in the image that are not the author's to fill.

use super::super::draft::{DEFAULT_FLOW_DIRECTORY, Draft};
use super::is_below;
use crate::tree::{Findings, Mistake};

/// What the container's engine mounts over the image.
const MOUNTED: [&str; 3] = ["/dev", "/proc", "/sys"];

pub(super) fn check<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    let folder = draft
        .flow_directory
        .as_ref()
        .map_or(DEFAULT_FLOW_DIRECTORY, |folder| folder.value.as_str());
    let binary = format!("{}/flow", folder.trim_end_matches('/'));
    for file in &draft.files {
        let path = file.destination.value.as_str();
        let place = || file.destination.place.clone();
        if let Some(mounted) = mounted(path) {
            findings.mistake(hidden(place(), path, mounted));
        } else if path == binary || is_below(path, &binary) {
            findings.mistake(
                Mistake::new(place(), format!("`{binary}` is the flow binary's own place"))
                    .help("choose another destination, or another `flow_directory`"),
            );
        }
    }
    let Some(declared) = &draft.flow_directory else {
        return;
    };
    if folder == "/" {
        findings.mistake(
            Mistake::new(
                declared.place.clone(),
                "the flow needs a folder of its own, not the root",
            )
            .help(format!("the default is `{DEFAULT_FLOW_DIRECTORY}`")),
        );
    } else if let Some(mounted) = mounted(folder) {
        findings.mistake(hidden(declared.place.clone(), folder, mounted));
    } else if let Some(file) = draft.files.iter().find(|file| {
        let path = file.destination.value.as_str();
        file.kind == Some(crate::names::PathKind::File) && (path == folder || is_below(folder, path))
    }) {
        findings.mistake(
            Mistake::new(
                declared.place.clone(),
                format!(
                    "`{folder}` cannot be a folder: the file `{}` lies there",
                    file.destination.value
                ),
            )
            .help("give one of them another place"),
        );
    }
}

fn mounted(path: &str) -> Option<&'static str> {
    MOUNTED
        .into_iter()
        .find(|mounted| path == *mounted || is_below(path, mounted))
}

fn hidden<P>(place: P, path: &str, mounted: &str) -> Mistake<P> {
    Mistake::new(
        place,
        format!("`{path}` is never seen: a container has `{mounted}` of its own"),
    )
    .help("choose another place in the image")
}
