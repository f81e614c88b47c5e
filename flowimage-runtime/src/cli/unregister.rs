//! The command `unregister`: removes deployments from the orchestrator. Images and the catalog stay.

use std::io::Write;

use serde_json::json;

use super::arguments::Arguments;
use super::report::complain;
use super::{DONE, Usage, options, runtime};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::prefect::Program;
use crate::session::Session;

pub(super) fn unregister(
    units: &[FlowUnit],
    flows: &[String],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let session = Session::new(options(arguments, units)?);
    let removed = runtime()?.block_on(remove(units, flows, &session));
    let removed = match removed {
        Ok(removed) => removed,
        Err(failure) => return Ok(complain(&failure, err)),
    };
    for (flow, deployment) in &removed {
        if arguments.json {
            let _ = writeln!(
                out,
                "{}",
                json!({ "flow": flow, "status": "unregistered", "deployment": deployment })
            );
        } else if !arguments.quiet {
            let _ = writeln!(err, "unregistered  {flow}/{deployment}");
        }
    }
    if removed.is_empty() && !arguments.quiet && !arguments.json {
        let _ = writeln!(err, "nothing to unregister");
    }
    Ok(DONE)
}

/// Removes the named flows' deployments, or those of flows that are gone from this program.
async fn remove(
    units: &[FlowUnit],
    flows: &[String],
    session: &Session,
) -> Result<Vec<(String, String)>, Failure> {
    let Some(orchestrator) = session.orchestrator().await? else {
        return Err(Failure::text(
            Stage::Register,
            "no orchestrator is named",
            "set PREFECT_API_URL, or `api_url` in `[prefect]` of flowimage.toml",
        ));
    };
    let name = session.options.orchestrator.deployment();
    let programs = programs(units, session);
    let all = orchestrator.deployments().await;
    let unknown = flows
        .iter()
        .find(|flow| !all.iter().any(|known| known.flow == **flow && known.name == name));
    if let Some(flow) = unknown {
        return Err(Failure::text(
            Stage::Register,
            format!("the server has no deployment `{flow}/{name}` that flowimage made"),
            "`list` shows those it has; `--deployment NAME` chooses others",
        ));
    }
    let mut removed = Vec::new();
    for known in all {
        let gone =
            programs.contains(&known.program()) && !units.iter().any(|unit| unit.entry.name == known.flow);
        let wanted = if flows.is_empty() {
            gone
        } else {
            flows.contains(&known.flow) && known.name == name
        };
        if wanted {
            orchestrator.remove(&known).await.map_err(at(Stage::Register))?;
            removed.push((known.flow, known.name));
        }
    }
    Ok(removed)
}

/// What deployments of this program bear as their label, one for each package that flows come from.
pub(super) fn programs(units: &[FlowUnit], session: &Session) -> Vec<String> {
    let path = session
        .options
        .binary
        .clone()
        .or_else(|| std::env::current_exe().ok());
    let program = Program {
        path: path.unwrap_or_default(),
        folder: Default::default(),
    };
    let mut labels: Vec<_> = units
        .iter()
        .map(|unit| program.label(unit.entry.package))
        .collect();
    labels.dedup();
    labels
}
