//! The flow loads: the program in the image lists this flow with this declaration.

use super::super::probe::Probe;
use super::super::ran::{Ran, Run};
use super::super::seen::Seen;
use super::super::{Check, LOADS, Status};

pub(crate) struct Load;

impl Probe for Load {
    fn name(&self) -> &'static str {
        LOADS
    }

    fn judge(&self, seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        vec![match ran {
            Ran::Not {
                status,
                detail,
                advice,
            } => Check::new(LOADS, *status, detail.clone()).advice(advice.clone()),
            Ran::Once(run) => judge(seen, run),
        }]
    }
}

fn judge(seen: &Seen<'_>, run: &Run) -> Check {
    let failed = |detail: String| Check::new(LOADS, Status::Fail, detail);
    let Some(loaded) = &run.loaded else {
        let said = run.stderr.lines().rev().find(|line| !line.trim().is_empty());
        let said: String = said
            .unwrap_or("it said nothing")
            .trim()
            .chars()
            .take(300)
            .collect();
        let entrypoint = &seen.config.entrypoint;
        let detail = format!("{}: {said}", run.end.reason());
        return if entrypoint.contains(&seen.program) {
            failed(detail)
                .advice("run the image with `describe` to see what happens before `flowimage::main()`")
        } else {
            failed(format!(
                "the entrypoint {entrypoint:?} does not start the flow binary: {detail}"
            ))
            .advice(format!("its last word must be {}", seen.program))
        };
    };
    let Some(flow) = run.loaded_flow() else {
        let flows: Vec<_> = loaded.flows.keys().map(String::as_str).collect();
        return failed(format!(
            "the program in the image has no flow `{}`; it has: {}",
            seen.unit.entry.name,
            flows.join(", ")
        ))
        .advice("build the program again, and give `--binary` the one that was built from this source");
    };
    if flow.declaration != seen.unit.declaration_hash().as_str() {
        return failed("the program in the image has another declaration of this flow".to_owned())
            .advice("build the program again, and give `--binary` the one that was built from this source");
    }
    Check::new(LOADS, Status::Pass, format!("in the image, with {}", run.place))
}
