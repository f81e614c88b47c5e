//! The command `clean`: removes what no entry of the catalog needs, and says what and how much.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use super::arguments::Arguments;
use super::progress::size;
use super::report::{complain, error};
use super::{DONE, FAILED, Usage, options, runtime};
use crate::clean::{Cleaned, Removed, Swept};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::project::Project;
use crate::session::Session;

pub(super) fn clean(
    units: &[FlowUnit],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let session = Session::new(options(arguments, units)?);
    let cleaned = match runtime()?.block_on(cleaned(units, &session)) {
        Ok(cleaned) => cleaned,
        Err(failure) if arguments.json => {
            let _ = writeln!(out, "{}", json!({ "status": "failed", "error": error(&failure) }));
            return Ok(FAILED);
        }
        Err(failure) => return Ok(complain(&failure, err)),
    };
    if arguments.json {
        machine(&cleaned, out);
    } else if !arguments.quiet {
        people(&cleaned, err);
    }
    Ok(DONE)
}

/// The flows of a program are of one project, which has one catalog.
async fn cleaned(units: &[FlowUnit], session: &Session) -> Result<Cleaned, Failure> {
    let Some(unit) = units.first() else {
        return Ok(Cleaned {
            removed: Vec::new(),
            engine: Swept::No("there are no flows".to_owned()),
        });
    };
    let project = Project::of(unit.entry).map_err(at(Stage::Plan))?;
    crate::clean::clean(&project, session).await
}

/// A line for each thing, and one for all.
fn machine(cleaned: &Cleaned, out: &mut dyn Write) {
    for Removed { kind, name, bytes } in &cleaned.removed {
        let line = json!({ "removed": kind, "name": name, "bytes": bytes });
        let _ = writeln!(out, "{line}");
    }
    let engine = match &cleaned.engine {
        Swept::Yes { bytes } => json!({ "status": "cleaned", "bytes": bytes }),
        Swept::No(reason) => json!({ "status": "skipped", "reason": reason }),
    };
    let line = json!({
        "status": "cleaned",
        "count": cleaned.removed.len(),
        "bytes": cleaned.bytes(),
        "engine": engine,
    });
    let _ = writeln!(out, "{line}");
}

/// A line for each kind.
fn people(cleaned: &Cleaned, err: &mut dyn Write) {
    let mut kinds: BTreeMap<&str, (usize, Option<u64>)> = BTreeMap::new();
    for removed in &cleaned.removed {
        let (count, bytes) = kinds.entry(removed.kind).or_default();
        *count += 1;
        if let Some(more) = removed.bytes {
            *bytes = Some(bytes.unwrap_or(0) + more);
        }
    }
    for (kind, (count, bytes)) in &kinds {
        let bytes = bytes.map(size).unwrap_or_default();
        let _ = writeln!(err, "removed  {count:>6}  {bytes:>10}  {kind}");
    }
    if kinds.is_empty() {
        let _ = writeln!(err, "nothing to remove");
    } else {
        let _ = writeln!(err, "{} are free again on this disk", size(cleaned.bytes()));
    }
    let _ = match &cleaned.engine {
        Swept::Yes { bytes: 0 } => Ok(()),
        Swept::Yes { bytes } => writeln!(err, "engine: up to {} are free again", size(*bytes)),
        Swept::No(reason) => writeln!(err, "engine: left out: {reason}"),
    };
}
