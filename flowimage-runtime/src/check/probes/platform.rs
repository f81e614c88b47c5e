//! The image's platform is the program's, and its C library is of the kind and age the program wants.

use flowimage_model::declaration::Libraries;

use super::super::probe::Probe;
use super::super::root::ImageRoot;
use super::super::seen::Seen;
use super::super::{Check, Status};
use crate::elf::{Elf, RootFiles, version_numbers};

pub(crate) struct Platform;

const NAME: &str = "platform and C library";

impl Probe for Platform {
    fn name(&self) -> &'static str {
        NAME
    }

    fn comes_first(&self) -> bool {
        true
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        vec![judge(seen)]
    }
}

fn judge(seen: &Seen<'_>) -> Check {
    let failed = |detail: String| Check::new(NAME, Status::Fail, detail);
    let Some((content, elf)) = seen.binary() else {
        return match seen.root.find(&seen.program) {
            None => failed(format!("the image has no {}", seen.program))
                .advice("a step after the flow's own removed it, or this is the image of another flow"),
            Some(_) => failed(format!("{} is no Linux program", seen.program))
                .advice("name the program with `--binary PATH`"),
        };
    };
    let said = seen.config.architecture.as_str();
    if said != elf.architecture {
        return failed(format!(
            "the image is for {said}, the flow binary for {}",
            elf.architecture
        ))
        .advice("build the flow for the image's architecture, and name it with `--binary PATH`");
    }
    let fits = libc(elf, seen);
    if fits.status == Status::Fail {
        return fits;
    }
    if seen.expected.code.is_some() && content.code != seen.expected.code {
        let detail = "the flow binary in the image is another build than this one";
        return if seen.expected.made_here {
            failed(detail.to_owned()).advice("a step after the flow's own replaced it: remove that step")
        } else {
            Check::new(NAME, Status::Warn, detail).advice("fine where another machine built the image")
        };
    }
    fits
}

fn libc(elf: &Elf, seen: &Seen<'_>) -> Check {
    let (root, said) = (&seen.root, &seen.config.architecture);
    let Some(interpreter) = &elf.interpreter else {
        return Check::new(NAME, Status::Pass, format!("linux/{said}, static"));
    };
    let loader = flowimage_model::render::loader_path(seen.declaration());
    if seen.declaration().libraries == Libraries::Bundled && root.exists(&loader) {
        return Check::new(NAME, Status::Pass, format!("linux/{said}, C library bundled"));
    }
    if !root.exists(interpreter) {
        let kind = if elf.is_musl() { "musl" } else { "glibc" };
        return Check::new(
            NAME,
            Status::Fail,
            format!("the image has no {interpreter}: the flow binary needs {kind}"),
        )
        .advice(format!(
            "choose a `base_image` with {kind}, such as {}, or libraries = \"bundled\"",
            if elf.is_musl() {
                "alpine:3.20"
            } else {
                "debian:bookworm-slim"
            }
        ));
    }
    match (elf.newest_glibc(), provided_glibc(root)) {
        (Some(wanted), Some(provided)) if version_numbers(wanted) > version_numbers(&provided) => Check::new(
            NAME,
            Status::Fail,
            format!("the flow binary needs {wanted}, the image's C library ends at {provided}"),
        )
        .advice("choose a newer `base_image`, build the flow on an older system, or libraries = \"bundled\""),
        (Some(wanted), Some(provided)) => Check::new(
            NAME,
            Status::Pass,
            format!("linux/{said}, needs {wanted}, has {provided}"),
        ),
        _ => Check::new(NAME, Status::Pass, format!("linux/{said}")),
    }
}

/// The newest version that the C library of a root provides.
fn provided_glibc(root: &ImageRoot) -> Option<String> {
    let folders = [
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    ];
    let elf = folders
        .iter()
        .find_map(|folder| root.elf(&format!("{folder}/libc.so.6")))?;
    elf.provides
        .into_iter()
        .filter(|version| version.starts_with("GLIBC_2"))
        .max_by_key(|version| version_numbers(version))
}
