//! The command `list`: how far each flow has come.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::report::{Report, complain};
use super::{DONE, FAILED, Usage, options, runtime};
use crate::at_hand;
use crate::catalog::{Catalog, Registration};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::oci::Digest;
use crate::project::Project;
use crate::session::Session;

/// What is known of one flow.
struct Standing<'a> {
    unit: &'a FlowUnit,
    built: Option<Digest>,
    registered: BTreeMap<String, Registration>,
    deployments: Vec<Value>,
}

pub(super) fn list(
    units: &[FlowUnit],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let session = Session::new(options(arguments, units)?);
    let deployed = runtime()?.block_on(deployments(units, &session));
    let (deployed, failure) = match deployed {
        Ok(deployed) => (deployed, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    for unit in units {
        let mine = |it: &&Value| it["flow"] == unit.entry.name;
        let standing = match standing(unit, deployed.iter().filter(mine).cloned().collect()) {
            Ok(standing) => standing,
            Err(failure) => {
                Report::new(arguments.json, arguments.quiet).failed(unit, &failure.into(), out, err);
                return Ok(FAILED);
            }
        };
        if arguments.json {
            let _ = writeln!(out, "{}", standing.json());
        } else {
            standing.print(out);
        }
    }
    let known = |it: &&Value| units.iter().any(|unit| it["flow"] == unit.entry.name);
    for gone in deployed.iter().filter(|it| !known(it)) {
        if arguments.json {
            let line = json!({ "flow": gone["flow"], "gone": true, "deployments": [gone] });
            let _ = writeln!(out, "{line}");
        } else {
            let _ = writeln!(
                out,
                "{}  (no longer in this program; `unregister` removes it)",
                text(&gone["flow"])
            );
            print_deployment(gone, out);
        }
    }
    Ok(failure.map_or(DONE, |failure| complain(&failure, err)))
}

fn standing(unit: &FlowUnit, deployments: Vec<Value>) -> Result<Standing<'_>, Failure> {
    let project = Project::of(unit.entry).map_err(at(Stage::Plan))?;
    let mut registered = Catalog::in_folder(&project.root).all().map_err(at(Stage::Plan))?;
    Ok(Standing {
        unit,
        built: at_hand::last_digest(unit.entry.name, &project),
        registered: registered.remove(unit.entry.name).unwrap_or_default(),
        deployments,
    })
}

impl Standing<'_> {
    fn json(&self) -> Value {
        let targets: Map<String, Value> = self
            .registered
            .iter()
            .map(|(target, it)| (target.clone(), json!(it.digest)))
            .collect();
        json!({
            "flow": self.unit.entry.name,
            "declaration": self.unit.declaration_hash(),
            "built": self.built,
            "registered": targets,
            "deployments": self.deployments,
        })
    }

    fn print(&self, out: &mut dyn Write) {
        let description = self.unit.declaration.description.as_deref().unwrap_or_default();
        let first = description.lines().next().unwrap_or_default();
        let _ = writeln!(out, "{}  {first}", self.unit.entry.name);
        let hash = self.unit.declaration_hash();
        let _ = writeln!(out, "  declared    {}", hash.short());
        if let Some(built) = &self.built {
            let _ = writeln!(out, "  built       {built}");
        }
        for (target, registration) in &self.registered {
            let _ = writeln!(out, "  registered  {target}  {}", registration.digest);
        }
        for deployment in &self.deployments {
            print_deployment(deployment, out);
        }
    }
}

fn print_deployment(deployment: &Value, out: &mut dyn Write) {
    let paused = if deployment["paused"] == true {
        "  (paused)"
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "  deployed    {} on {}  {}{paused}",
        text(&deployment["name"]),
        text(&deployment["work_pool"]),
        text(&deployment["digest"]),
    );
    let last = &deployment["last_run"];
    if last.is_object() {
        let _ = writeln!(
            out,
            "  last run    {}  {}  {}",
            text(&last["state"]),
            text(&last["start"]),
            text(&last["name"])
        );
    }
    for orphan in deployment["orphans"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "  orphan      {}  Running since {}, and no heartbeat",
            text(&orphan["name"]),
            text(&orphan["start"])
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// The deployments of these flows on the orchestrator, and those of flows that this program once had.
#[cfg(feature = "prefect")]
async fn deployments(units: &[FlowUnit], session: &Session) -> Result<Vec<Value>, Failure> {
    use std::time::Duration;

    use crate::prefect::{Known, last_runs, orphans};
    use crate::timestamp;
    /// Microseconds: two heartbeats and their way, and less than the watchdog waits.
    const SILENCE: u64 = 70_000_000;
    const PATIENCE: Duration = Duration::from_secs(20);

    let Some(orchestrator) = session.orchestrator().await? else {
        return Ok(Vec::new());
    };
    let since = timestamp::micros(timestamp::now().saturating_sub(SILENCE));
    let client = orchestrator.client();
    let silent = orphans(client, &since, PATIENCE).await.map_err(at(Stage::Plan))?;
    let programs = super::unregister::programs(units, session);
    let ours = |known: &Known| {
        units.iter().any(|unit| unit.entry.name == known.flow) || programs.contains(&known.program())
    };
    let listed: Vec<_> = orchestrator
        .deployments()
        .await
        .into_iter()
        .filter(ours)
        .collect();
    let last = last_runs(client, &listed, PATIENCE)
        .await
        .map_err(at(Stage::Plan))?;
    let lines = listed.iter().zip(last).map(|(known, last)| {
        let orphans: Vec<_> = silent
            .iter()
            .filter(|(id, _)| *id == known.id)
            .map(|(_, run)| run)
            .collect();
        json!({
            "flow": known.flow,
            "name": known.name,
            "id": known.id,
            "work_pool": known.body["work_pool_name"],
            "digest": known.body["labels"]["flowimage.digest"],
            "paused": known.body["paused"],
            "last_run": last,
            "orphans": orphans,
        })
    });
    Ok(lines.collect())
}

#[cfg(not(feature = "prefect"))]
async fn deployments(_units: &[FlowUnit], _session: &Session) -> Result<Vec<Value>, Failure> {
    Ok(Vec::new())
}
