//! The command `run --image`: a flow in the image that is registered, on the engine of this machine.

use std::io::Write;

use serde_json::Value;

use super::arguments::Arguments;
use super::report::complain;
use super::{FAILED, INTERRUPTED, Usage, options, runtime, stopped};
use crate::engine::Engine;
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::loaded::Loaded;
use crate::pipeline::Goal;
use crate::plan::Plan;
use crate::session::Session;

/// Runs the registered image with these parameters. Its output is passed on, its exit status returned.
pub(super) fn run_image(
    unit: &FlowUnit,
    parameters: &[(String, Value)],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let session = Session::new(options(arguments, std::slice::from_ref(unit))?);
    let mut command = vec!["run".to_owned(), unit.entry.name.to_owned()];
    for (name, value) in parameters {
        command.extend(["--param".to_owned(), format!("{name}={value}")]);
    }
    // Levels are chosen where the command is given.
    let env: Vec<_> = std::env::var("RUST_LOG")
        .map(|levels| format!("RUST_LOG={levels}"))
        .into_iter()
        .collect();
    let ended = runtime()?.block_on(async {
        let mut stop = std::pin::pin!(stopped());
        // What a stopped load leaves, the next command removes by its name.
        let (engine, image) = tokio::select! {
            biased;
            () = &mut stop => return Ok(INTERRUPTED.into()),
            registered = registered(unit, &session) => registered?,
        };
        let mut tell = |bytes: &[u8], error: bool| {
            let to: &mut dyn Write = if error { &mut *err } else { &mut *out };
            let _ = to.write_all(bytes).and_then(|()| to.flush());
        };
        let ended = {
            let running = engine.run_attached(image.id().as_str(), &command, &env, &mut tell);
            tokio::select! {
                biased;
                // Dropping the run hands its container to be removed.
                () = &mut stop => Ok(INTERRUPTED.into()),
                status = running => status.map_err(at(Stage::Check)),
            }
        };
        engine.settle().await;
        image.release().await;
        ended
    });
    match ended {
        Ok(status) => Ok(u8::try_from(status).unwrap_or(FAILED)),
        Err(failure) => Ok(complain(&failure, err)),
    }
}

/// The flow's registered image, once the engine has it, and the engine.
async fn registered<'a>(unit: &FlowUnit, session: &'a Session) -> Result<(&'a Engine, Loaded<'a>), Failure> {
    let plan = Plan::make(unit, session, Goal::Build)?;
    let Some(known) = &plan.known else {
        return Err(Failure::text(
            Stage::Plan,
            format!("`{}` is not registered at {}", unit.entry.name, plan.target),
            "register it first; `--registry` and `--output` choose another target",
        ));
    };
    let engine = session.engine(&plan.project).await?;
    let image = Loaded::registered(&plan, known, engine).await?;
    Ok((engine, image))
}
