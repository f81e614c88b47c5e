//! The declared files are there, with the right bytes, mode and owner, and the user can read them.

use super::super::account::Access;
use super::super::layer::{Entry, Kind};
use super::super::probe::Probe;
use super::super::seen::Seen;
use super::super::{Check, Status};
use crate::layer::{Content, Entry as Wanted};
use crate::oci::{sha256, sha256_of_file};

pub(crate) struct Files;

const NAME: &str = "files";

impl Probe for Files {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().files.is_empty()
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        let wanted = match &seen.expected.files {
            Some(Ok(wanted)) => wanted,
            Some(Err(reason)) => {
                let check = Check::new(NAME, Status::Skip, format!("they cannot be read here: {reason}"));
                return vec![check.advice("check the image where its files are")];
            }
            None => return vec![presence(seen)],
        };
        let (mut count, mut doubt) = (0, None);
        let below = |path: &str| {
            let mut declared = seen.declaration().files.iter();
            declared.any(|file| {
                let destination = file.destination.as_str().trim_matches('/');
                path.strip_prefix(destination)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || destination.is_empty())
            })
        };
        for (path, entry) in wanted.entries().filter(|(path, _)| below(path)) {
            let check = compare(&format!("/{path}"), entry, seen);
            match check {
                Ok(()) => count += 1,
                Err(check) if check.status == Status::Warn => doubt = doubt.or(Some(check)),
                Err(check) => return vec![check],
            }
        }
        vec![doubt.unwrap_or_else(|| Check::new(NAME, Status::Pass, format!("{count} as declared")))]
    }
}

/// Without the sources all that can be said is whether the destinations are there and can be read.
fn presence(seen: &Seen<'_>) -> Check {
    for file in &seen.declaration().files {
        let path = file.destination.as_str();
        if seen.root.find(path).is_none() {
            return absent(path);
        }
        if let Some(check) = unreadable(path, seen) {
            return check;
        }
    }
    Check::new(
        NAME,
        Status::Pass,
        "all there; their sources are not here to compare",
    )
}

fn absent(path: &str) -> Check {
    Check::new(NAME, Status::Fail, format!("{path} is missing"))
        .advice("a later step removed it: look at `extra_dockerfile_commands` and at who built the image")
}

fn unreadable(path: &str, seen: &Seen<'_>) -> Option<Check> {
    let account = seen.account.as_ref().ok()?;
    let (at, entry) = account.obstacle(Access::Read, path, &seen.root)?;
    let whole = if at == path { "" } else { " on the way to it" };
    Some(
        Check::new(
            NAME,
            Status::Fail,
            format!(
                "the user {} cannot read {path}: {at}{whole} has mode {:04o} and belongs to {}:{}",
                account.uid, entry.mode, entry.uid, entry.gid
            ),
        )
        .advice(format!(
            "let it: `RUN chmod o+rX {at}` in `extra_dockerfile_commands`, or another `user`"
        )),
    )
}

fn compare(path: &str, wanted: &Wanted, seen: &Seen<'_>) -> Result<(), Check> {
    let Some(entry) = at(path, seen) else {
        return Err(absent(path));
    };
    let difference = difference(entry, wanted)
        .map_err(|error| Check::new(NAME, Status::Skip, format!("{path} cannot be compared: {error}")))?;
    if let Some(difference) = difference {
        // The author may have changed a file on purpose, by a step after the copy.
        let was_right = seen
            .root
            .history(path)
            .any(|entry| matches!(self::difference(entry, wanted), Ok(None)));
        let meant = was_right && !seen.declaration().extra_dockerfile_commands.is_empty();
        let status = if meant { Status::Warn } else { Status::Fail };
        let advice = if meant {
            "fine where one of the `extra_dockerfile_commands` is meant to change it"
        } else {
            "build the image again from the files as they are now"
        };
        return Err(Check::new(NAME, status, format!("{path} {difference}")).advice(advice));
    }
    match unreadable(path, seen) {
        Some(check) if !matches!(wanted.content, Content::Link(_)) => Err(check),
        _ => Ok(()),
    }
}

/// The entry itself, for links are compared as links.
fn at<'a>(path: &str, seen: &'a Seen<'_>) -> Option<&'a Entry> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = match folder {
        "" => String::new(),
        folder => seen.root.find(folder)?.0,
    };
    let there = format!("{folder}/{name}");
    seen.root.entry(&there).or_else(|| Some(seen.root.find(path)?.1))
}

/// What of an entry is not as declared, in words.
fn difference(entry: &Entry, wanted: &Wanted) -> std::io::Result<Option<String>> {
    let kinds = |what: &str| Ok(Some(format!("is no {what}")));
    match (&wanted.content, &entry.kind) {
        (Content::Folder, Kind::Folder) => {}
        (Content::Folder, _) => return kinds("folder"),
        (Content::Link(target), Kind::Link(found)) if target == found => return Ok(None),
        (Content::Link(target), _) => return kinds(&format!("link to {target}")),
        (Content::Bytes(bytes), Kind::File(found)) => {
            if sha256(bytes) != found.digest {
                return Ok(Some("has other bytes than declared".to_owned()));
            }
        }
        (Content::Host(source), Kind::File(found)) => {
            let size = std::fs::metadata(source)?.len();
            if size != found.size || sha256_of_file(&source.path)? != found.digest {
                return Ok(Some(format!("has other bytes than {}", source.path.display())));
            }
        }
        (Content::Bytes(_) | Content::Host(_), _) => return kinds("file"),
    }
    if entry.mode != wanted.mode {
        return Ok(Some(format!(
            "has mode {:04o}, not {:04o}",
            entry.mode, wanted.mode
        )));
    }
    if entry.uid != u64::from(wanted.owner) {
        return Ok(Some(format!(
            "belongs to user {}, not {}",
            entry.uid, wanted.owner
        )));
    }
    // What is written here belongs to a user and the group of the same number.
    if entry.gid != u64::from(wanted.owner) {
        return Ok(Some(format!(
            "belongs to group {}, not {}",
            entry.gid, wanted.owner
        )));
    }
    Ok(None)
}
