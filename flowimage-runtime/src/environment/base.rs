//! The base image in the engine, and what must be known of it before anything is built.

use std::collections::BTreeMap;

use flowimage_model::Declaration;
use flowimage_model::declaration::Base;
use flowimage_model::reference::ImageReference;
use serde_json::{Value, json};

use super::failed::shown_line;
use crate::base::account;
use crate::engine::{Engine, EngineError, EngineImage, PullProgress};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::oci::{self, Digest, Platform, sha256};
use crate::progress::{Event, Progress};
use crate::project::Project;
use crate::session::Session;

/// The images that a flow's image draws from; the last one is what its last stage stands on.
pub fn references(declaration: &Declaration) -> Vec<String> {
    match &declaration.dockerfile {
        Some(dockerfile) => super::recipe::images(dockerfile, declaration),
        None => match declaration.base_image.base() {
            Base::Image(reference) => vec![reference.to_string()],
            Base::Scratch => Vec::new(),
        },
    }
}

/// What a session knows a base by.
pub(super) fn key(declaration: &Declaration, reference: &str) -> String {
    let platform = declaration.platform.as_ref();
    // A failure says where the base was named.
    let place = declaration.dockerfile.as_ref().map(|it| &it.path);
    format!("{reference} {} {platform:?} {place:?}", declaration.local_image)
}

/// A base as this session looked it up, if it did.
pub fn seen(
    session: &Session,
    declaration: &Declaration,
    reference: &str,
) -> Option<Result<EngineImage, Failure>> {
    session.bases.get(&key(declaration, reference))
}

/// A base as the engine has it, which is asked only where this session has not looked already. It is not pulled.
///
/// # Errors
/// The engine does not answer.
pub async fn look(
    session: &Session,
    project: &Project,
    declaration: &Declaration,
    reference: &str,
) -> Result<Option<EngineImage>, Failure> {
    if let Some(seen) = seen(session, declaration, reference) {
        return seen.map(Some);
    }
    let engine = session.engine(project).await?;
    engine.image(reference).await.map_err(at(Stage::Plan))
}

/// What stands for a base where an image's identity is made: the digest by which its registry knows it, which it can
/// be pinned to, or else a hash of what it holds. Says whether it is the former.
pub fn base_digest(image: &EngineImage, reference: &str) -> (Digest, bool) {
    match manifest_digest(image, reference) {
        Some(digest) => (digest, true),
        None => (content(image), false),
    }
}

/// A base image as a flow wants it.
pub(crate) struct Wanted<'a> {
    pub(crate) reference: &'a str,
    /// Never pull it.
    pub(crate) local: bool,
    /// What it must be for, where that is declared.
    pub(crate) platform: Option<&'a Platform>,
    /// The digest that it is pinned to.
    pub(crate) pinned: Option<&'a Digest>,
    /// Ask its registry for what it is now, whatever is here.
    pub(crate) anew: bool,
    /// Where a flow names it; nothing where the command line does.
    pub(crate) place: Option<Place<'a>>,
}

/// The key that names a base, and the Dockerfile in which it stands.
pub(crate) struct Place<'a> {
    key: &'static str,
    text: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn of(unit: &'a FlowUnit) -> Self {
        match &unit.declaration.dockerfile {
            Some(dockerfile) => Self {
                key: "dockerfile",
                text: &dockerfile.text,
            },
            None => Self {
                key: "base_image",
                text: &unit.rendered.text,
            },
        }
    }
}

impl Wanted<'_> {
    /// A failure that is the base's own, with the key and line that name it.
    fn named(&self, failure: Failure) -> Failure {
        let Some(place) = &self.place else {
            return failure;
        };
        let names_it = |line: &&str| {
            let mut words = line.split_whitespace();
            let is_from = words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"));
            is_from && words.any(|word| word == self.reference)
        };
        let mut message = format!("`{}`: {}", place.key, failure.message);
        let mut lines = (1..).zip(place.text.lines());
        if let Some((number, line)) = lines.find(|(_, line)| names_it(line)) {
            message.push_str(&shown_line(number, line));
        }
        Failure { message, ..failure }
    }

    /// What an error in having it means to the flow.
    fn failed(&self, error: &EngineError) -> Failure {
        let failure = Failure::new(Stage::Build, error);
        match error {
            EngineError::BaseNotFound { .. }
            | EngineError::PullUnauthorized { .. }
            | EngineError::Registry { .. } => self.named(failure),
            // The engine's own troubles are no key's.
            _ => failure,
        }
    }
}

/// The base image, pulled where the engine does not have it.
pub(crate) async fn base(
    engine: &Engine,
    wanted: &Wanted<'_>,
    progress: &Progress,
    flow: &str,
) -> Result<EngineImage, Failure> {
    let Wanted {
        reference,
        local,
        platform,
        pinned,
        anew,
        ..
    } = *wanted;
    let fits = |image: &EngineImage| platform.is_none_or(|it| it.architecture == image.platform.architecture);
    let exact = pinned
        .filter(|_| !local && !anew)
        .and_then(|digest| with_digest(reference, digest));
    let mut here = engine.image(reference).await.map_err(at(Stage::Build))?;
    // The name may have moved since the base was pinned.
    if let Some(exact) = &exact
        && here
            .as_ref()
            .and_then(|image| manifest_digest(image, reference))
            .as_ref()
            != pinned
    {
        here = engine.image(exact).await.map_err(at(Stage::Build))?;
    }
    match here {
        // What no registry knows cannot be had anew.
        Some(image) if fits(&image) && (!anew || local || manifest_digest(&image, reference).is_none()) => {
            return Ok(image);
        }
        None if local => {
            return Err(wanted.named(Failure::text(
                Stage::Build,
                format!(
                    "the engine has no image `{reference}`, and `local_image` says that it is not pulled"
                ),
                format!("build it (`docker build -t {reference} …`), or remove `local_image`"),
            )));
        }
        Some(image) if local => {
            return Err(wanted.named(Failure::text(
                Stage::Build,
                format!(
                    "the local image `{reference}` is for {}, not for the declared platform",
                    image.platform
                ),
                "build it for the other platform, or correct `platform`",
            )));
        }
        _ => {}
    }
    let reference = exact.as_deref().unwrap_or(reference);
    let failed = |error| wanted.failed(&error);
    pull(engine, reference, platform, progress, flow, failed).await
}

/// Has the engine pull an image, with the login that docker's configuration has for it.
///
/// # Errors
/// It cannot be pulled.
pub(crate) async fn pull(
    engine: &Engine,
    reference: &str,
    platform: Option<&Platform>,
    progress: &Progress,
    flow: &str,
    failed: impl Fn(EngineError) -> Failure,
) -> Result<EngineImage, Failure> {
    let login = login(reference).await?;
    let tell = |(done, total)| {
        let image = reference.to_owned();
        progress.tell(flow, Event::Pull { image, done, total });
    };
    let mut arrived = Arrived::default();
    let mut told = (0, 0);
    tell(told);
    let mut on_progress = |line| {
        let now = arrived.with(line);
        // A line per megabyte is enough for anybody.
        if now.0 >= told.0 + (1 << 20) {
            told = now;
            tell(now);
        }
    };
    let pulled = engine
        .pull(reference, platform, login.as_ref(), &mut on_progress)
        .await;
    let image = pulled.map_err(failed)?;
    let all = arrived.bytes();
    if all != told {
        tell(all);
    }
    Ok(image)
}

/// What has arrived of the layers that an engine is pulling, and how much there is, by layer.
#[derive(Default)]
struct Arrived(BTreeMap<String, (u64, u64)>);

impl Arrived {
    fn with(&mut self, line: PullProgress) -> (u64, u64) {
        match line.status.as_str() {
            "Downloading" => {
                let bytes = (line.current.unwrap_or(0), line.total.unwrap_or(0));
                self.0.insert(line.layer, bytes);
            }
            "Download complete" => {
                if let Some((done, total)) = self.0.get_mut(&line.layer) {
                    *done = *total.max(done);
                }
            }
            _ => {}
        }
        self.bytes()
    }

    fn bytes(&self) -> (u64, u64) {
        let layers = self.0.values();
        layers.fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
    }
}

/// The login that docker's configuration has for a reference's registry.
#[cfg(feature = "registry")]
async fn login(reference: &str) -> Result<Option<crate::engine::RegistryLogin>, Failure> {
    use flowimage_model::reference::ImageReference;
    let Ok(reference) = reference.parse::<ImageReference>() else {
        return Ok(None);
    };
    let registry = reference.registry().to_owned();
    let found = crate::registry::login(&registry, &Default::default()).await;
    let found = found.map_err(at(Stage::Build))?;
    Ok(found.map(|(username, password)| crate::engine::RegistryLogin {
        registry,
        username,
        password,
    }))
}

#[cfg(not(feature = "registry"))]
async fn login(_reference: &str) -> Result<Option<crate::engine::RegistryLogin>, Failure> {
    Ok(None)
}

/// The reference of the very image.
fn with_digest(reference: &str, digest: &Digest) -> Option<String> {
    let reference: ImageReference = reference.parse().ok()?;
    Some(reference.with_digest(digest.as_str()).ok()?.to_string())
}

/// The digest by which the registry of a reference knows an image of an engine; `None` where none does.
fn manifest_digest(image: &EngineImage, reference: &str) -> Option<Digest> {
    let reference: ImageReference = reference.parse().ok()?;
    image.repo_digests.iter().find_map(|known| {
        let known: ImageReference = known.parse().ok()?;
        let same = (known.registry(), known.repository()) == (reference.registry(), reference.repository());
        known.digest().filter(|_| same)?.parse().ok()
    })
}

/// What an image is made of, the same in every engine: its layers, and what of its configuration a build sees.
///
/// An image ID is a hash of other things in other stores.
pub(super) fn content(image: &EngineImage) -> Digest {
    content_of(&image.diff_ids, &image.config, &image.platform.architecture)
}

/// The same of an image's documents.
pub(super) fn content_of(diff_ids: &[Digest], config: &Value, architecture: &str) -> Digest {
    let seen: Vec<&Value> = ["Entrypoint", "Env", "OnBuild", "Shell", "User", "WorkingDir"]
        .iter()
        .map(|key| config.get(*key).unwrap_or(&Value::Null))
        .map(|value| {
            let empty = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
            if empty { &Value::Null } else { value }
        })
        .collect();
    sha256(json!([diff_ids, seen, architecture]).to_string().as_bytes())
}

/// The user that an image's configuration names.
pub(super) fn user(image: &EngineImage) -> Option<&str> {
    oci::config::user(&image.config)
}

/// The files that give the default user a name and a home; nothing where the base has a user of its own.
pub(super) async fn account_of(
    engine: &Engine,
    base: &EngineImage,
) -> Result<BTreeMap<String, String>, Failure> {
    const LIMIT: u64 = 1 << 20;
    if user(base).is_some() {
        return Ok(BTreeMap::new());
    }
    let files = engine.files(base.id.as_str()).await.map_err(at(Stage::Build))?;
    let mut texts = Vec::new();
    for path in ["/etc/passwd", "/etc/group"] {
        let bytes = files
            .read(path, LIMIT)
            .await
            .map_err(at(Stage::Build))?
            .unwrap_or_default();
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    files.close().await.map_err(at(Stage::Build))?;
    Ok(account(&texts[0], &texts[1]))
}
