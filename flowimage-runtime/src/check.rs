//! Health checks: does the image hold what the flow needs, and does the flow load in it?

use std::path::Path;
use std::time::Duration;

use flowimage_model::render::binary_path;
use serde::Serialize;

use crate::elf::{self, Elf, Root, closure};
use crate::failure::{Failure, Stage};
use crate::flow::FlowUnit;
use crate::oci::Image;
use crate::pipeline::Options;
use crate::sandbox::{Outcome, Probe, Sandbox};
use crate::scratch::DEFAULT_UID;
use crate::unpack::unpack;

/// The time a flow has to say its name.
const LOAD_LIMIT: Duration = Duration::from_secs(30);

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Pass,
    /// Worth a look, no obstacle.
    Warn,
    /// The image is not healthy.
    Fail,
    /// It did not run, for the reason given.
    Skip,
}

/// One check and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// What to do; empty where nothing is.
    pub advice: String,
}

impl Check {
    fn new(name: &str, status: Status, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            status,
            detail: detail.into(),
            advice: String::new(),
        }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// The name of the check without which nothing is pushed.
pub const LOADS: &str = "the flow loads";

/// Checks an image without an engine: files are read from the image's own layers, the flow is loaded in a sandbox
/// of the system.
///
/// # Errors
/// The image cannot be unpacked.
pub async fn check(
    unit: &FlowUnit,
    image: &Image,
    scratch: &Path,
    options: &Options,
) -> Result<Vec<Check>, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("root-")
        .tempdir_in(scratch)
        .map_err(|error| failed(scratch, &error))?;
    let (target, source) = (folder.path().to_owned(), image.clone());
    // The unpacked image belongs to whoever runs in it, and its folder must let that user in.
    let unpacked = tokio::task::spawn_blocking(move || {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755))?;
        unpack(&source, &target)
    })
    .await;
    match unpacked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(failed(folder.path(), &error)),
        Err(error) => return Err(failed(folder.path(), &error)),
    }
    let path = binary_path(&unit.declaration);
    let root = Root::new(folder.path());
    let mut checks = vec![profile(unit)];
    let inside = root.locate(&path).and_then(|file| Elf::read(&file).ok());
    match &inside {
        Some(elf) => {
            checks.push(platform(elf, image, &root));
            checks.push(libraries(elf, &path, &root));
        }
        None => checks.push(
            Check::new(
                "platform and C library",
                Status::Fail,
                format!("{path} is no Linux program"),
            )
            .advice("name the program with `--binary PATH`"),
        ),
    }
    let healthy = checks.iter().all(|check| check.status != Status::Fail);
    checks.push(if healthy {
        loads(unit, image, folder.path(), &path, options).await
    } else {
        Check::new(LOADS, Status::Skip, "the checks before it failed")
    });
    Ok(checks)
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::text(
        Stage::Check,
        format!("cannot unpack the image into {}: {error}", path.display()),
        "check the disk's space and the folder's owner",
    )
}

/// Code compiled without optimisation belongs to development.
fn profile(unit: &FlowUnit) -> Check {
    if unit.entry.optimized {
        return Check::new("compiler profile", Status::Pass, "optimized");
    }
    Check::new(
        "compiler profile",
        Status::Warn,
        "the flow binary is of the dev profile",
    )
    .advice("register what you release with `cargo run --release`")
}

/// The image's platform is the program's, and its C library is of the kind and age the program wants.
fn platform(elf: &Elf, image: &Image, root: &Root) -> Check {
    const NAME: &str = "platform and C library";
    let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap_or_default();
    let said = config
        .get("architecture")
        .and_then(serde_json::Value::as_str)
        .unwrap_or("unknown");
    if said != elf.architecture {
        return Check::new(
            NAME,
            Status::Fail,
            format!(
                "the image is for {said}, the flow binary for {}",
                elf.architecture
            ),
        )
        .advice("build the flow for the image's architecture, and name it with `--binary PATH`");
    }
    let Some(interpreter) = &elf.interpreter else {
        return Check::new(NAME, Status::Pass, format!("linux/{said}, static"));
    };
    if root.locate(interpreter).is_none() {
        let kind = if elf.is_musl() { "musl" } else { "glibc" };
        return Check::new(
            NAME,
            Status::Fail,
            format!("the image has no {interpreter}: the flow binary needs {kind}"),
        )
        .advice(format!(
            "choose a `base_image` with {kind}, such as debian:bookworm-slim for glibc"
        ));
    }
    let wanted = elf.newest_glibc().map(str::to_owned);
    let provided = default_libc(root);
    match (wanted, provided) {
        (Some(wanted), Some(provided)) if elf::version_numbers(&wanted) > elf::version_numbers(&provided) => {
            Check::new(
                NAME,
                Status::Fail,
                format!("the flow binary needs {wanted}, the image's C library ends at {provided}"),
            )
            .advice("choose a newer `base_image`, or build the flow on an older system")
        }
        (Some(wanted), Some(provided)) => Check::new(
            NAME,
            Status::Pass,
            format!("linux/{said}, needs {wanted}, has {provided}"),
        ),
        _ => Check::new(NAME, Status::Pass, format!("linux/{said}")),
    }
}

/// The newest version that the C library of a root provides.
fn default_libc(root: &Root) -> Option<String> {
    let folders = [
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    ];
    let libc = folders
        .iter()
        .find_map(|folder| root.locate(&format!("{folder}/libc.so.6")))?;
    let elf = Elf::read(&libc).ok()?;
    elf.provides
        .into_iter()
        .filter(|version| version.starts_with("GLIBC_2"))
        .max_by_key(|version| elf::version_numbers(version))
}

/// Every shared library resolves, with every symbol version.
fn libraries(elf: &Elf, path: &str, root: &Root) -> Check {
    const NAME: &str = "shared libraries";
    let found = match closure(elf, path, root) {
        Ok(found) => found,
        Err(error) => return Check::new(NAME, Status::Fail, error.to_string()),
    };
    let Some(first) = found.missing.first() else {
        return Check::new(NAME, Status::Pass, format!("{} resolve", found.libraries.len()));
    };
    let detail: Vec<_> = found
        .missing
        .iter()
        .map(|missing| match &missing.version {
            None => format!("{} is missing, needed by {}", missing.library, missing.needed_by),
            Some(version) => format!(
                "{} lacks {version}, needed by {}",
                missing.library, missing.needed_by
            ),
        })
        .collect();
    let advice = match (&first.version, elf::package_of(&first.library)) {
        (None, Some(package)) => format!("add system_dependencies = [\"{package}\"]"),
        (None, None) => format!(
            "add the package that has {} to system_dependencies",
            first.library
        ),
        (Some(_), _) => "choose a newer `base_image`, or build the flow on an older system".to_owned(),
    };
    Check::new(NAME, Status::Fail, detail.join("; ")).advice(advice)
}

/// The program in the image lists this flow with this declaration.
async fn loads(unit: &FlowUnit, image: &Image, root: &Path, path: &str, options: &Options) -> Check {
    #[cfg(feature = "engine")]
    if let Some(outcome) = run_on_engine(unit, image, options).await {
        return match outcome {
            Ok((outcome, place)) => judge_load(unit, &outcome, &place),
            Err(detail) => Check::new(LOADS, Status::Fail, detail),
        };
    }
    #[cfg(not(feature = "engine"))]
    let _ = options;
    let sandbox = match Sandbox::detect().await {
        Ok(sandbox) => sandbox,
        Err(reasons) => {
            return Check::new(
                LOADS,
                Status::Skip,
                format!("no sandbox works on this machine: {reasons}"),
            )
            .advice("install bubblewrap, or start an engine");
        }
    };
    let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap_or_default();
    let environment = config
        .pointer("/config/Env")
        .and_then(serde_json::Value::as_array);
    let environment = environment
        .into_iter()
        .flatten()
        .filter_map(|pair| pair.as_str()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let user = config
        .pointer("/config/User")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let probe = Probe {
        root,
        command: vec![path.to_owned(), "describe".to_owned(), unit.entry.name.to_owned()],
        environment,
        user: user
            .split(':')
            .next()
            .and_then(|user| user.parse().ok())
            .unwrap_or(DEFAULT_UID),
        limit: LOAD_LIMIT,
    };
    match sandbox.run(&probe).await {
        Ok(outcome) => judge_load(unit, &outcome, sandbox.name()),
        Err(error) => Check::new(
            LOADS,
            Status::Fail,
            format!("the sandbox cannot be started: {error}"),
        ),
    }
}

/// The same in a locked-down container, where an engine answers; `None` where none does, which is no fault of the
/// image's.
#[cfg(feature = "engine")]
async fn run_on_engine(
    unit: &FlowUnit,
    image: &Image,
    options: &Options,
) -> Option<Result<(Outcome, String), String>> {
    use crate::engine::{Ended, LoadRequest, RunRequest};
    let engine = crate::environment::connect(options).await.ok()?;
    let words = |failure: Failure| match failure.advice {
        Some(advice) => format!("{}. {advice}", failure.message),
        None => failure.message,
    };
    // The layers of the base are there already, where the engine built it.
    let present = image
        .layers
        .iter()
        .rev()
        .skip(1)
        .rev()
        .map(|layer| layer.diff_id.clone())
        .collect();
    let request = LoadRequest {
        present,
        ..LoadRequest::default()
    };
    let loaded = match engine.load(image, &request).await {
        Ok(loaded) => loaded,
        Err(error) => return Some(Err(words(Failure::new(Stage::Check, &error)))),
    };
    let mut request = RunRequest::new(loaded.id.as_str());
    request.command = Some(vec!["describe".to_owned(), unit.entry.name.to_owned()]);
    request.limits.time = LOAD_LIMIT;
    let outcome = match engine.run(&request).await {
        Ok(outcome) => outcome,
        Err(error) => return Some(Err(words(Failure::new(Stage::Check, &error)))),
    };
    let (status, timed_out) = match &outcome.ended {
        Ended::Exited(status) => (i32::try_from(*status).ok(), false),
        Ended::TimedOut => (None, true),
        Ended::OutOfMemory => return Some(Err("it was killed for its memory".to_owned())),
        Ended::Flooded => return Some(Err("it was killed for its flood of output".to_owned())),
        Ended::NotStarted(reason) => return Some(Err(format!("it could not be started: {reason}"))),
    };
    let place = engine
        .info()
        .await
        .map_or_else(|_| "an engine".to_owned(), ToString::to_string);
    let outcome = Outcome {
        status,
        stdout: outcome.stdout.bytes(),
        stderr: outcome.stderr.bytes(),
        timed_out,
    };
    Some(Ok((outcome, place)))
}

/// What the output of `describe FLOW` in the image proves.
pub fn judge_load(unit: &FlowUnit, outcome: &Outcome, place: &str) -> Check {
    if outcome.timed_out {
        return Check::new(
            LOADS,
            Status::Fail,
            format!("no answer within {} s", LOAD_LIMIT.as_secs()),
        )
        .advice("look at what the program does before `flowimage::main()`");
    }
    let said = String::from_utf8_lossy(&outcome.stderr);
    let said = said.trim();
    if outcome.status != Some(0) {
        let how = match outcome.status {
            Some(status) => format!("exit status {status}"),
            None => "killed by a signal".to_owned(),
        };
        let last = said.lines().last().unwrap_or("it said nothing");
        return Check::new(LOADS, Status::Fail, format!("{how}: {last}"))
            .advice("run the flow binary with `describe` to see why");
    }
    let described: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
    let hash = described
        .get("declaration_hash")
        .and_then(serde_json::Value::as_str);
    if hash == Some(unit.declaration_hash().as_str()) {
        return Check::new(LOADS, Status::Pass, format!("in the image, with {place}"));
    }
    Check::new(
        LOADS,
        Status::Fail,
        "the program in the image has another declaration of this flow",
    )
    .advice("build the program again, and give `--binary` the one that was built from this source")
}
