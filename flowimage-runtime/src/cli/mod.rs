//! The command line of a flow binary.

mod arguments;
mod clean;
mod list;
#[cfg(feature = "kubernetes")]
mod manifests;
mod progress;
mod report;
mod run;
#[cfg(feature = "engine")]
mod run_image;
mod side_by_side;
#[cfg(feature = "prefect")]
mod unregister;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use flowimage_model::settings::Running;
use serde_json::{Value, json};

use crate::Advise;
use crate::failure::{Failure, Stage};
use crate::flow::{FlowUnit, flows};
use crate::pipeline::{self, Goal, Options};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::project::Project;
use crate::session::Session;
use arguments::{Arguments, Command};
use progress::Shown;
use report::Report;
use side_by_side::side_by_side;
use tokio::sync::mpsc;

/// Exit status: all flows done.
pub const DONE: u8 = 0;
/// Exit status: a flow failed.
pub const FAILED: u8 = 1;
/// Exit status: a signal ended the command, as shells say it of Ctrl-C.
pub const INTERRUPTED: u8 = 130;
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
    let all = flows().map_err(|error| Usage(error.to_owned()))?.to_vec();
    if all.is_empty() {
        return Err(Usage(
            "this program has no flows. Mark a function with `#[flow_image(…)]`; flows of a library are linked only \
             where the library is named: `use my_flows as _;`"
                .to_owned(),
        ));
    }
    let fallback = Command::Register {
        flows: Vec::new(),
        #[cfg(feature = "kubernetes")]
        kubernetes: None,
    };
    match arguments.command.as_ref().unwrap_or(&fallback) {
        Command::Register { flows, .. } => stages(&select(all, flows)?, arguments, Goal::Register, out, err),
        Command::Build { flows, .. } => stages(&select(all, flows)?, arguments, Goal::Build, out, err),
        Command::Check { flows, image: None } => check(&select(all, flows)?, None, arguments, out, err),
        Command::Check { flows, image } => {
            if flows.len() > 1 {
                return Err(Usage("one image is that of one flow: name one".to_owned()));
            }
            check(&[one(all, flows.first())?], image.as_deref(), arguments, out, err)
        }
        Command::Plan { flows } => plan(&select(all, flows)?, arguments, out, err),
        Command::Clean => clean::clean(&all, arguments, out, err),
        Command::List => list::list(&all, arguments, out, err),
        #[cfg(feature = "prefect")]
        Command::Unregister { flows } => unregister::unregister(&all, flows, arguments, out, err),
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
                    let options = options(arguments, std::slice::from_ref(&unit))?;
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
        Command::Probe { plan } => {
            let plan = serde_json::from_str(plan).map_err(|error| Usage(format!("no plan: {error}")))?;
            // Where nobody reads any more, there is nobody to tell.
            let told = crate::check::inside::carry_out(&plan, &all, out);
            Ok(if told.is_ok() { DONE } else { FAILED })
        }
        Command::HealthCheck { flow, name } => health_check(flow, name, out),
        Command::Prefect { words } => match &words[..] {
            [noun, verb] if noun == "flow-run" && verb == "execute" => {
                run::run(&for_worker(all)?, Vec::new(), out, err)
            }
            _ => Err(Usage(format!(
                "this program is no Prefect command line; of it, it knows `prefect flow-run execute` only, not `{}`",
                words.join(" ")
            ))),
        },
        #[cfg(feature = "engine")]
        Command::Run {
            flow,
            parameters,
            image: true,
        } => {
            let unit = one(all, flow.as_ref())?;
            run_image::run_image(&unit, parameters, arguments, out, err)
        }
        Command::Run { flow, parameters, .. } => {
            let unit = one(all, flow.as_ref())?;
            run::run(&unit, parameters.clone(), out, err)
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

/// The flow that a worker means: the one it names in the environment, else the only one.
fn for_worker(all: Vec<FlowUnit>) -> Result<FlowUnit, Usage> {
    let named = std::env::var("PREFECT__FLOW_NAME").ok();
    one(all, named.as_ref())
}

/// The command line's options over those of the profile and of `flowimage.toml`.
fn options(arguments: &Arguments, units: &[FlowUnit]) -> Result<Options, Usage> {
    let settings = running(arguments.profile.as_deref(), units)?;
    let profile = &settings.profile;
    let registry = profile.registry_url.as_ref().map(ToString::to_string);
    let tag = profile.image_tag.as_ref().map(ToString::to_string);
    // `[engine]` counts only where nothing else names one (`engine::locate`).
    let engine = profile.engine.clone();
    Ok(Options {
        binary: arguments.binary.clone(),
        registry: arguments.registry.clone().or(registry),
        tag: arguments.tag.clone().or(tag),
        output: arguments.output.clone(),
        no_push: arguments.no_push,
        no_check: arguments.no_check,
        #[cfg(feature = "engine")]
        load: arguments.load,
        update_base: arguments.update_base,
        profile: arguments.profile.clone(),
        verify: matches!(arguments.command, Some(Command::Build { verify: true, .. })),
        #[cfg(feature = "prefect")]
        orchestrator: arguments.orchestrator.wishes(arguments.profile.as_deref()),
        engine: arguments
            .engine
            .clone()
            .or(engine)
            .unwrap_or_else(|| "auto".to_owned()),
        settings,
    })
}

/// What `flowimage.toml` says for commands. Where the project cannot be found, each flow says so itself.
fn running(profile: Option<&str>, units: &[FlowUnit]) -> Result<Running, Usage> {
    let entry = units.first().map(|unit| unit.entry);
    let Some(project) = entry.and_then(|entry| Project::of(entry).ok()) else {
        return Ok(Running::default());
    };
    crate::settings::running(&project.folder, &project.root, profile).map_err(|error| {
        Usage(match error.advice() {
            Some(advice) => format!("{error}\nadvice: {advice}"),
            None => error.to_string(),
        })
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Usage> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(no_threads)
}

fn no_threads(error: std::io::Error) -> Usage {
    Usage(format!("no threads can be started: {error}"))
}

/// Takes flows to a goal, some at a time; one that fails does not stop the others. A signal stops all: what was begun
/// is cancelled and removed.
fn stages(
    units: &[FlowUnit],
    arguments: &Arguments,
    goal: Goal,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let mut session = Session::new(options(arguments, units)?);
    let (sender, mut events) = mpsc::unbounded_channel();
    session.progress = Progress::new(move |flow, event| {
        // Nobody listens any more once all flows are done.
        let _ = sender.send((flow.to_owned(), event));
    });
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let report = Report::new(arguments.json, arguments.quiet);
    #[cfg(feature = "kubernetes")]
    let manifests = manifests::Manifests::wanted(arguments, &session.options);
    let mut shown = Shown::new(arguments.progress, arguments.json, arguments.quiet);
    let mut status = DONE;
    let mut left: Vec<&FlowUnit> = units.iter().collect();
    let runtime = runtime()?;
    let work = async |unit: &FlowUnit| {
        let work = pipeline::run(unit, &session, goal);
        #[cfg(feature = "kubernetes")]
        let work = manifests::around(manifests.as_ref(), unit, work);
        work.await
    };
    std::thread::scope(|scope| {
        let mut work = side_by_side(units, jobs, &runtime, scope, &work).map_err(no_threads)?;
        runtime.block_on(async {
            let mut stop = std::pin::pin!(stopped());
            while !left.is_empty() {
                tokio::select! {
                    biased;
                    () = &mut stop => {
                        status = INTERRUPTED;
                        break;
                    }
                    Some((flow, event)) = events.recv() => shown.event(&flow, &event, out, err),
                    outcome = work.next() => {
                        // One of the threads died: the end of the scope says so.
                        let Some((unit, outcome)) = outcome else { break };
                        left.retain(|it| it.entry.name != unit.entry.name);
                        // What was told on the way comes before the outcome, which is the last word on a flow.
                        while let Ok((flow, event)) = events.try_recv() {
                            shown.event(&flow, &event, out, err);
                        }
                        shown.done(unit.entry.name);
                        match outcome {
                            Ok(done) => report.done(unit, &done, out, err),
                            Err(stopped) => {
                                status = FAILED;
                                report.failed(unit, &stopped, out, err);
                            }
                        }
                    }
                }
            }
            let mut done = work.end().await;
            if status == INTERRUPTED {
                for unit in &left {
                    shown.done(unit.entry.name);
                    // One that was done by then may be registered.
                    let place = done.iter().position(|(it, _)| it.entry.name == unit.entry.name);
                    let outcome = place.map(|place| done.swap_remove(place).1);
                    match outcome.unwrap_or_else(|| Err(interrupted().into())) {
                        Ok(done) => report.done(unit, &done, out, err),
                        Err(stopped) => report.failed(unit, &stopped, out, err),
                    }
                }
            }
            session.settle().await;
            #[cfg(feature = "registry")]
            session.registries.give_up_uploads().await;
        });
        Ok(status)
    })
}

/// Checks images that are there; one that is not healthy does not stop the others.
fn check(
    units: &[FlowUnit],
    image: Option<&str>,
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let session = Session::new(options(arguments, units)?);
    let report = Report::new(arguments.json, arguments.quiet);
    let mut status = DONE;
    runtime()?.block_on(async {
        for unit in units {
            match crate::at_hand::check(unit, image, &session).await {
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

/// Waits for Ctrl-C, or for the signal by which a scheduler ends a job.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => if result.is_err() { std::future::pending().await },
        () = terminated => {}
    }
}

fn interrupted() -> Failure {
    Failure::text(
        Stage::Build,
        "interrupted: what was begun is cancelled and removed",
        "nothing was tagged or registered of this flow; run the command again",
    )
}

fn plan(
    units: &[FlowUnit],
    arguments: &Arguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Usage> {
    let session = Session::new(options(arguments, units)?);
    let report = Report::new(arguments.json, arguments.quiet);
    let mut status = DONE;
    let runtime = runtime()?;
    for unit in units {
        let explained = match Plan::make(unit, &session, Goal::Build) {
            Ok(plan) => runtime.block_on(plan.explain()),
            Err(failure) => Err(failure),
        };
        match explained {
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

/// The declaration as JSON, with its hash and the schema of its parameters.
fn describe(unit: &FlowUnit) -> Value {
    let mut described = serde_json::to_value(&unit.declaration).unwrap_or_default();
    described["declaration_hash"] = json!(unit.declaration_hash());
    described["parameters"] = unit.entry.parameters_schema();
    described
}

/// Runs one health check here. Its verdict is the last line on `out`.
fn health_check(flow: &str, name: &str, out: &mut dyn Write) -> Result<u8, Usage> {
    let checks = crate::health::of_flow(flow);
    let check = checks.iter().find(|check| check.id == name);
    let check = check.ok_or_else(|| Usage(format!("`{flow}` has no health check `{name}`")))?;
    let (verdict, status) = match runtime()?.block_on((check.run)()) {
        Ok(()) => (json!({}), DONE),
        Err((message, advice)) => (json!({ "unhealthy": message, "advice": advice }), FAILED),
    };
    let _ = writeln!(out, "\n{verdict}");
    Ok(status)
}
