//! The command line of a flow binary.

mod arguments;
mod report;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use crate::flow::{FlowContext, FlowUnit, flows};
use crate::pipeline::{self, Goal, Options, Plan};
use arguments::{Arguments, Command};
use report::Report;

/// Exit status: all flows done.
pub const DONE: u8 = 0;
/// Exit status: a flow failed.
pub const FAILED: u8 = 1;
/// Exit status: the command was wrong, or there are no flows.
pub const USAGE: u8 = 2;

/// Runs a command of a flow binary. `arguments` has the program's name first. Returns the exit status.
///
/// Only what a command was asked for goes to `out`; progress and errors go to `err`.
pub fn main(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let text = error.render();
            // Help and version are answers, everything else is a complaint.
            if error.use_stderr() {
                let _ = write!(err, "{text}");
                return USAGE;
            }
            let _ = write!(out, "{text}");
            return DONE;
        }
    };
    match command(&arguments, out, err) {
        Ok(status) => status,
        Err(Usage(message)) => {
            let _ = writeln!(err, "error: {message}");
            USAGE
        }
    }
}

/// A command that cannot be carried out as given.
struct Usage(String);

fn command(arguments: &Arguments, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Usage> {
    let all = flows().map_err(Usage)?;
    if all.is_empty() {
        return Err(Usage(
            "this program has no flows. Mark a function with `#[flow_image(…)]`; flows of a library are linked only \
             where the library is named: `use my_flows as _;`"
                .to_owned(),
        ));
    }
    let fallback = Command::Register { flows: Vec::new() };
    match arguments.command.as_ref().unwrap_or(&fallback) {
        Command::Register { flows } => stages(&select(all, flows)?, arguments, Goal::Register, out, err),
        Command::Build { flows } => stages(&select(all, flows)?, arguments, Goal::Build, out, err),
        Command::Plan { flows } => plan(&select(all, flows)?, arguments, out, err),
        Command::List => list(&all, arguments, out, err),
        Command::Describe { flow } => {
            let chosen = match flow {
                Some(flow) => select(all, std::slice::from_ref(flow))?,
                None => all,
            };
            for unit in &chosen {
                let _ = writeln!(out, "{}", describe(unit));
            }
            Ok(DONE)
        }
        Command::Dockerfile { flow, context } => {
            let unit = one(all, Some(flow))?;
            match context {
                None => {
                    let _ = write!(out, "{}", unit.rendered.text);
                    Ok(DONE)
                }
                Some(folder) => {
                    let options = options(arguments);
                    match crate::context::write(&unit, &options, folder) {
                        Ok(()) => Ok(DONE),
                        Err(failure) => {
                            Report::new(arguments.json, arguments.quiet).failed(
                                &unit,
                                &failure.into(),
                                out,
                                err,
                            );
                            Ok(FAILED)
                        }
                    }
                }
            }
        }
        Command::Run { flow, parameters } => {
            let unit = one(all, flow.as_ref())?;
            Ok(run(&unit, parameters.clone(), out, err)?)
        }
    }
}

/// The flows named, or all.
fn select(all: Vec<FlowUnit>, names: &[String]) -> Result<Vec<FlowUnit>, Usage> {
    for name in names {
        if !all.iter().any(|unit| unit.entry.name == name) {
            let known: Vec<_> = all.iter().map(|unit| unit.entry.name).collect();
            let near = flowimage_model::suggest::suggest(name, known.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its flows are: {}", known.join(", ")),
            };
            return Err(Usage(format!("this program has no flow `{name}`; {help}")));
        }
    }
    Ok(all
        .into_iter()
        .filter(|unit| names.is_empty() || names.iter().any(|it| it == unit.entry.name))
        .collect())
}

/// The flow named; without a name the only one.
fn one(all: Vec<FlowUnit>, name: Option<&String>) -> Result<FlowUnit, Usage> {
    let names: Vec<_> = all.iter().map(|unit| unit.entry.name).collect();
    let names = names.join(", ");
    let mut chosen = match name {
        Some(name) => select(all, std::slice::from_ref(name))?,
        None => all,
    };
    match (chosen.pop(), chosen.is_empty()) {
        (Some(unit), true) => Ok(unit),
        _ => Err(Usage(format!("say which flow: {names}"))),
    }
}

fn options(arguments: &Arguments) -> Options {
    Options {
        binary: arguments.binary.clone(),
        registry: arguments.registry.clone(),
        tag: arguments.tag.clone(),
        output: arguments.output.clone(),
        no_push: arguments.no_push,
        no_check: arguments.no_check,
        engine: arguments.engine.clone(),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Usage> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Usage(format!("no threads can be started: {error}")))
}

/// Takes flows to a goal, some at a time; one that fails does not stop the others.
fn stages(
    units: &[FlowUnit],
    arguments: &Arguments,
    goal: Goal,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let options = options(arguments);
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let report = Report::new(arguments.json, arguments.quiet);
    let mut status = DONE;
    runtime()?.block_on(async {
        let mut outcomes = stream::iter(units)
            .map(|unit| {
                let options = &options;
                async move { (unit, pipeline::run(unit, options, goal).await) }
            })
            .buffered(jobs.max(1));
        while let Some((unit, outcome)) = outcomes.next().await {
            match outcome {
                Ok(done) => report.done(unit, &done, out, err),
                Err(stopped) => {
                    status = FAILED;
                    report.failed(unit, &stopped, out, err);
                }
            }
        }
    });
    Ok(status)
}

fn plan(
    units: &[FlowUnit],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let options = options(arguments);
    let report = Report::new(arguments.json, arguments.quiet);
    let mut status = DONE;
    for unit in units {
        match Plan::make(unit, &options, Goal::Build).and_then(|plan| plan.explain()) {
            Ok(lines) if arguments.json => {
                let _ = writeln!(out, "{}", json!({ "flow": unit.entry.name, "plan": lines }));
            }
            Ok(lines) => {
                let _ = writeln!(out, "{}", unit.entry.name);
                for (name, line) in lines {
                    let _ = writeln!(out, "  {name:<11} {line}");
                }
            }
            Err(failure) => {
                status = FAILED;
                report.failed(unit, &failure.into(), out, err);
            }
        }
    }
    Ok(status)
}

fn list(
    units: &[FlowUnit],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let report = Report::new(arguments.json, arguments.quiet);
    for unit in units {
        let registered = crate::project::Project::of(unit.entry)
            .map_err(crate::failure::at(crate::failure::Stage::Plan))
            .and_then(|project| {
                crate::catalog::Catalog::in_folder(&project.root)
                    .all()
                    .map_err(crate::failure::at(crate::failure::Stage::Plan))
            });
        let registered = match registered {
            Ok(mut all) => all.remove(unit.entry.name).unwrap_or_default(),
            Err(failure) => {
                report.failed(unit, &failure.into(), out, err);
                return Ok(FAILED);
            }
        };
        if arguments.json {
            let targets: Map<String, Value> = registered
                .iter()
                .map(|(target, it)| (target.clone(), json!(it.digest)))
                .collect();
            let _ = writeln!(
                out,
                "{}",
                json!({ "flow": unit.entry.name, "registered": targets })
            );
            continue;
        }
        let description = unit.declaration.description.as_deref().unwrap_or_default();
        let _ = writeln!(
            out,
            "{}  {}",
            unit.entry.name,
            description.lines().next().unwrap_or_default()
        );
        for (target, registration) in registered {
            let _ = writeln!(out, "  {target}  {}", registration.digest);
        }
    }
    Ok(DONE)
}

/// The declaration as JSON, with its hash.
fn describe(unit: &FlowUnit) -> Value {
    let mut described = serde_json::to_value(&unit.declaration).unwrap_or_default();
    described["declaration_hash"] = json!(unit.declaration_hash());
    described
}

/// Runs a flow here. Its result goes to `out` as JSON.
fn run(
    unit: &FlowUnit,
    parameters: Vec<(String, Value)>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let context = FlowContext {
        flow: unit.entry.name.to_owned(),
    };
    let parameters = Value::Object(parameters.into_iter().collect());
    let running = (unit.entry.run)(parameters, &context).map_err(|error| {
        Usage(format!(
            "the parameters of `{}` do not fit: {error}",
            unit.entry.name
        ))
    })?;
    match runtime()?.block_on(running) {
        Ok(value) => {
            if !value.is_null() {
                let _ = writeln!(out, "{value}");
            }
            Ok(DONE)
        }
        Err(error) => {
            let mut chain = error.chain.iter();
            let _ = writeln!(
                err,
                "error: {}",
                chain.next().map_or("the flow failed", String::as_str)
            );
            for cause in chain {
                let _ = writeln!(err, "  because: {cause}");
            }
            Ok(FAILED)
        }
    }
}
