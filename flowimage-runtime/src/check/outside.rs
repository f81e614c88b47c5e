//! Runs the image once: in a locked-down container of an engine, or in a sandbox of the system.

use std::time::Duration;

use serde_json::Value;

use super::protocol::{COMMAND, Plan, Task};
use super::ran::{Ran, Run, RunEnd};
use super::seen::Seen;
use super::subject::{Held, Subject};
use super::{LOADS, Status};
use crate::failure::Failure;
use crate::oci::Image;
use crate::project::Project;
use crate::sandbox::{self, Outcome, Probe, Sandbox};
use crate::scratch::DEFAULT_UID;
use crate::session::Session;
use crate::unique::unique;

/// The time a flow has to say its name.
const LOAD_LIMIT: Duration = Duration::from_secs(30);

/// The time for everything.
const WHOLE_LIMIT: Duration = Duration::from_secs(900);

/// Processes and threads at which a task is ended; the container's own limit lies above.
const PROCESSES: usize = 200;

/// Bytes of memory at which a task is ended in a sandbox, which limits each process alone: a container's limit.
const MEMORY: u64 = 512 << 20;

/// Bytes kept of the answer: every task's output at its most, many times over.
const ANSWER: usize = 4 << 20;

/// Runs the image, in which the flow binary carries out the tasks. Where there are none, it only says what it is, for all
/// of its flows: one run then is enough for images that differ in their labels alone.
pub(super) async fn run(
    subject: &Subject<'_>,
    seen: &Seen<'_>,
    tasks: Vec<Task>,
    session: &Session,
    project: &Project,
) -> Result<Ran, Failure> {
    if !tasks.is_empty() {
        return alone(subject, seen, tasks, session, project).await;
    }
    let work = || alone(subject, seen, tasks, session, project);
    let ran = session.runs.once(&sameness(subject, seen), work).await?;
    Ok(match ran {
        Ran::Once(run) => Ran::Once(run.for_flow(seen.unit.entry.name)),
        ran => ran,
    })
}

/// All that a run of a flow's image without tasks depends on.
fn sameness(subject: &Subject<'_>, seen: &Seen<'_>) -> String {
    let declaration = seen.declaration();
    let variables: Vec<_> = declaration.env_vars.keys().collect();
    let image = match subject.image {
        Held::Layers(image) => {
            let mut document: Value = serde_json::from_slice(&image.config).unwrap_or_default();
            // What it is told to do is another command in any case, and its words about itself do nothing.
            if let Some(config) = document.get_mut("config").and_then(Value::as_object_mut) {
                config.retain(|key, _| !["Cmd", "Labels"].contains(&key.as_str()));
            }
            let part = |key: &str| document.get(key).map(Value::to_string);
            format!("{:?}", ["config", "architecture", "os", "rootfs"].map(part))
        }
        #[cfg(feature = "engine")]
        Held::Engine(image) => image.id.to_string(),
    };
    format!(
        "{image} {} {variables:?} {}",
        seen.program, declaration.health_checks_network
    )
}

async fn alone(
    subject: &Subject<'_>,
    seen: &Seen<'_>,
    tasks: Vec<Task>,
    session: &Session,
    project: &Project,
) -> Result<Ran, Failure> {
    let seconds = tasks.iter().map(|task| task.seconds).sum();
    let limit = (LOAD_LIMIT + Duration::from_secs(seconds)).min(WHOLE_LIMIT);
    let variables = seen.declaration().env_vars.keys();
    let plan = Plan {
        mark: unique(),
        variables: variables.map(ToString::to_string).collect(),
        tasks,
        processes: PROCESSES,
        memory: None,
    };
    #[cfg(feature = "engine")]
    if let Some(ran) = on_engine(subject, seen, &plan, limit, session, project).await? {
        return Ok(ran);
    }
    let _ = (session, project);
    match subject.image {
        Held::Layers(image) => {
            let plan = Plan {
                memory: Some(MEMORY),
                ..plan
            };
            in_sandbox(image, seen, &plan, limit, project).await
        }
        #[cfg(feature = "engine")]
        Held::Engine(_) => Ok(Ran::Not {
            status: Status::Skip,
            detail: "the engine that has the image does not answer".to_owned(),
            advice: "start it again".to_owned(),
        }),
    }
}

fn command(plan: &Plan) -> [String; 2] {
    [
        COMMAND.to_owned(),
        serde_json::to_string(plan).unwrap_or_default(),
    ]
}

/// In a container, where an engine answers; `None` where none does, which is no fault of the image's.
#[cfg(feature = "engine")]
async fn on_engine(
    subject: &Subject<'_>,
    seen: &Seen<'_>,
    plan: &Plan,
    limit: Duration,
    session: &Session,
    project: &Project,
) -> Result<Option<Ran>, Failure> {
    use crate::engine::{Ended, Root, RunRequest};
    use crate::failure::{Stage, at};
    use crate::loaded::Loaded;
    let Ok(engine) = session.engine(project).await else {
        return Ok(None);
    };
    let info = engine.info().await.map_err(at(Stage::Check))?;
    if info.platform.architecture != seen.config.architecture && !info.platform.architecture.is_empty() {
        return Ok(Some(Ran::Not {
            status: Status::Skip,
            detail: format!(
                "the engine runs {}, the image is for {}",
                info.platform, seen.config.architecture
            ),
            advice: "use an engine of the image's platform with `--engine URL`".to_owned(),
        }));
    }
    let image = match (subject.image, subject.loaded) {
        (Held::Engine(image), _) => Loaded::there(engine, image.id.clone()),
        (Held::Layers(_), Some(loaded)) => Loaded::there(engine, loaded.id().clone()),
        (Held::Layers(image), None) => Loaded::new(image, seen.declaration(), engine, project)
            .await
            .map_err(at(Stage::Check))?,
    };
    let mut request = RunRequest::new(image.id().as_str());
    request.command = Some(command(plan).into());
    request.network = seen.declaration().health_checks_network;
    request.root = Root::ThrowAway;
    request.limits.time = limit;
    request.limits.first_output = Some(LOAD_LIMIT);
    request.limits.output = ANSWER;
    let limits = request.limits;
    let ran = engine.run(&request).await;
    image.release().await;
    let outcome = ran.map_err(at(Stage::Check))?;
    let end = match outcome.ended {
        Ended::Exited(status) => RunEnd::Exited(status),
        // Silent to the end of its time to say its name, or at work to the end of all time.
        Ended::TimedOut if outcome.stdout.seen() + outcome.stderr.seen() == 0 => RunEnd::TimedOut(LOAD_LIMIT),
        Ended::TimedOut => RunEnd::TimedOut(limit),
        Ended::OutOfMemory => RunEnd::OutOfMemory,
        Ended::Flooded => RunEnd::Flooded,
        Ended::DiskFull => RunEnd::DiskFull(limits.root),
        Ended::NotStarted(reason) => RunEnd::NotStarted(reason),
    };
    Ok(Some(Ran::Once(Run::new(
        seen.unit.entry.name,
        &outcome.stdout.bytes(),
        outcome.stderr.text(),
        &plan.mark,
        end,
        info.to_string(),
    ))))
}

async fn in_sandbox(
    image: &Image,
    seen: &Seen<'_>,
    plan: &Plan,
    limit: Duration,
    project: &Project,
) -> Result<Ran, Failure> {
    let not = |detail: String, advice: &str| {
        Ok(Ran::Not {
            status: Status::Skip,
            detail,
            advice: advice.to_owned(),
        })
    };
    if seen.config.architecture != crate::oci::Platform::of_this_program().architecture {
        return not(
            format!(
                "this machine cannot run programs for {}",
                seen.config.architecture
            ),
            "use an engine of the image's platform with `--engine URL`",
        );
    }
    let sandbox = match Sandbox::detect().await {
        Ok(sandbox) => sandbox,
        Err(reasons) => {
            return not(
                format!("no sandbox works on this machine: {reasons}"),
                "install bubblewrap, or start an engine",
            );
        }
    };
    let folder = unpacked(image, project).await?;
    let config = &seen.config;
    let entrypoint = match config.entrypoint.is_empty() {
        true => vec![seen.program.clone()],
        false => config.entrypoint.clone(),
    };
    let account = seen.account.as_ref().ok();
    let mut environment = config.environment.clone();
    if let Some(home) = account.and_then(|account| account.home.clone())
        && config.variable("HOME").is_none()
    {
        environment.push(("HOME".to_owned(), home));
    }
    let probe = Probe {
        root: folder.path(),
        command: entrypoint.into_iter().chain(command(plan)).collect(),
        environment,
        user: account
            .and_then(|it| u32::try_from(it.uid).ok())
            .unwrap_or(DEFAULT_UID),
        working_directory: config.working_directory.clone(),
        network: seen.declaration().health_checks_network,
        limit,
        output: ANSWER,
    };
    let outcome = match sandbox.run(&probe).await {
        Ok(outcome) => outcome,
        Err(error) => {
            return not(
                format!("the sandbox for `{LOADS}` cannot be started: {error}"),
                "install bubblewrap, or start an engine",
            );
        }
    };
    let Outcome {
        status,
        stdout,
        stderr,
        timed_out,
        flooded,
    } = outcome;
    let end = match status {
        _ if timed_out => RunEnd::TimedOut(limit),
        _ if flooded => RunEnd::Flooded,
        Some(status) => RunEnd::Exited(i64::from(status)),
        None => RunEnd::Signal,
    };
    let place = sandbox.name().to_owned();
    Ok(Ran::Once(Run::new(
        seen.unit.entry.name,
        &stdout.bytes(),
        stderr.text(),
        &plan.mark,
        end,
        place,
    )))
}

/// The image in a folder of this machine, gone with the value.
async fn unpacked(image: &Image, project: &Project) -> Result<tempfile::TempDir, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let scratch = project.roots();
    let image = image.clone();
    let unpacked = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&scratch)?;
        let folder = tempfile::Builder::new().prefix("root-").tempdir_in(&scratch)?;
        // The unpacked image belongs to whoever runs in it, and its folder must let that user in.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        crate::unpack::unpack(&image, folder.path())?;
        sandbox::prepare(folder.path())?;
        Ok(folder)
    });
    let unpacked: std::io::Result<_> = unpacked.await.map_err(std::io::Error::other).flatten();
    unpacked.map_err(|error| {
        Failure::text(
            crate::failure::Stage::Check,
            format!("cannot unpack the image: {error}"),
            "check the disk's space and the owner of target/flowimage",
        )
    })
}
