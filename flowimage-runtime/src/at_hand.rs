//! Health checks of an image that is there already: the one built last, one of an engine, one of a layout.

use std::fs;
use std::path::Path;

use crate::assemble::Foundation;
use crate::check::{self, Held, Subject};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layout::Layout;
use crate::oci::{Digest, Image};
use crate::pipeline::{Done, Stopped};
use crate::project::Project;
use crate::reasons::entrypoint_of;
use crate::session::Session;
use crate::whole;

/// Checks an image for a flow: `reference`, or without one the image built last.
///
/// # Errors
/// The image cannot be had, or is not healthy.
pub async fn check(unit: &FlowUnit, reference: Option<&str>, session: &Session) -> Result<Done, Stopped> {
    let project = Project::of(unit.entry).map_err(at(Stage::Plan))?;
    session.begin(&project);
    let layout = match reference {
        None => Some(last_built(unit, &project)?),
        Some(text) => text.strip_prefix("oci:").map(from_layout).transpose()?,
    };
    match (layout, reference) {
        (Some((image, name)), _) => {
            let checks = checked(unit, Held::Layers(&image), session, &project).await?;
            Ok(done(name, image.digest(), image.id(), checks))
        }
        (None, reference) => of_engine(unit, reference.unwrap_or_default(), session, &project).await,
    }
}

/// Remembers an image as the one built last of its flow, and what became of the entrypoint of what it stands on.
///
/// # Errors
/// The layout or the project's folder cannot be written.
pub fn remember(
    unit: &FlowUnit,
    image: &Image,
    foundation: &Foundation,
    layout: &Layout,
    project: &Project,
) -> Result<(), Failure> {
    layout.put(&image.config).map_err(at(Stage::Build))?;
    let digest = layout.put(&image.manifest).map_err(at(Stage::Build))?;
    let folder = project.built();
    let text = format!(
        "{digest}\n{}\n",
        entrypoint_of(&foundation.config, &foundation.entrypoint)
    );
    whole::write(&folder.join(unit.entry.name), text.as_bytes()).map_err(|error| {
        Failure::text(
            Stage::Build,
            format!("cannot write below {}: {error}", folder.display()),
            "check its owner and the disk's space",
        )
    })
}

/// The image built last by the text that [`remember`] wrote.
pub(crate) fn digest_of(remembered: &str) -> Option<Digest> {
    remembered.lines().next()?.parse().ok()
}

/// The image of a flow that was built last, whatever became of it since.
pub(crate) fn last_digest(flow: &str, project: &Project) -> Option<Digest> {
    digest_of(&fs::read_to_string(project.built().join(flow)).ok()?)
}

/// What became of the entrypoint of what the image built last stands on.
pub(crate) fn entrypoint(unit: &FlowUnit, project: &Project) -> Option<String> {
    let text = fs::read_to_string(project.built().join(unit.entry.name)).ok()?;
    Some(text.lines().nth(1)?.to_owned())
}

fn last_built(unit: &FlowUnit, project: &Project) -> Result<(Image, String), Failure> {
    let name = unit.entry.name;
    let missing = || {
        Failure::text(
            Stage::Check,
            format!("no image of `{name}` is at hand: none was built here, or it was removed since"),
            "build it (`build`), or name one with `--image`",
        )
    };
    let text = fs::read_to_string(project.built().join(name)).map_err(|_| missing())?;
    let digest = digest_of(&text).ok_or_else(missing)?;
    let layout = Layout::open(project.layout()).map_err(at(Stage::Check))?;
    let image = layout
        .read_image(&digest)
        .map_err(|_| match layout.read_documents(&digest, "") {
            Ok(_) => Failure::text(
                Stage::Check,
                format!("the layers of the image of `{name}` that was built here are only in a registry"),
                "build it without `--no-check`, or name it in the registry with `--image`",
            ),
            Err(_) => missing(),
        })?;
    Ok((image, format!("{name}@{digest}")))
}

/// `FOLDER` with one image in it, or `FOLDER:NAME`.
fn from_layout(text: &str) -> Result<(Image, String), Failure> {
    let (folder, name) = match text.rsplit_once(':') {
        Some((folder, name)) if !Path::new(text).is_dir() => (folder, Some(name)),
        _ => (text, None),
    };
    let wrong = |what: String| {
        let advice = "name a folder with an `oci-layout`, and the image in it: `--image oci:FOLDER:NAME`";
        Failure::text(Stage::Check, what, advice)
    };
    if !Path::new(folder).join("oci-layout").is_file() {
        return Err(wrong(format!("{folder} is no OCI image layout")));
    }
    let layout = Layout::open(folder).map_err(at(Stage::Check))?;
    let names = layout.names().map_err(at(Stage::Check))?;
    let name = match (name, &names[..]) {
        (Some(name), _) => name.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => {
            return Err(wrong(format!(
                "{folder} has several images: {}",
                names.join(", ")
            )));
        }
    };
    let found = layout.resolve(&name).map_err(at(Stage::Check))?;
    let found = found.ok_or_else(|| {
        wrong(format!(
            "{folder} has no image `{name}`; it has: {}",
            names.join(", ")
        ))
    })?;
    let image = layout.read_image(&found.digest).map_err(at(Stage::Check))?;
    Ok((image, format!("oci:{folder}:{name}")))
}

async fn checked(
    unit: &FlowUnit,
    image: Held<'_>,
    session: &Session,
    project: &Project,
) -> Result<Vec<check::Check>, Stopped> {
    let here = std::env::current_exe().ok();
    let subject = Subject {
        unit,
        image,
        #[cfg(feature = "engine")]
        loaded: None,
        folder: Some(&project.folder),
        binary: session.options.binary.as_deref().or(here.as_deref()),
        made_here: false,
    };
    let checks = check::check(&subject, session, project).await?;
    match check::unhealthy(&checks) {
        Some(failure) => Err(Stopped { failure, checks }),
        None => Ok(checks),
    }
}

fn done(image: String, digest: Digest, image_id: Digest, checks: Vec<check::Check>) -> Done {
    Done {
        status: "built",
        image,
        digest,
        image_id,
        checks,
        verified: false,
        loaded: None,
        #[cfg(feature = "prefect")]
        deployed: None,
    }
}

/// An image of the engine's; one that the engine lacks is pulled.
#[cfg(feature = "engine")]
async fn of_engine(
    unit: &FlowUnit,
    reference: &str,
    session: &Session,
    project: &Project,
) -> Result<Done, Stopped> {
    use crate::environment::{Wanted, base};
    let here = |failure: Failure| Failure {
        stage: Stage::Check,
        ..failure
    };
    let engine = session.engine(project).await.map_err(here)?;
    let wanted = Wanted {
        reference,
        local: false,
        platform: None,
        pinned: None,
        anew: false,
        place: None,
    };
    let there = engine.image(reference).await.map_err(at(Stage::Check))?;
    if there.is_none() {
        crate::pulled::remember(project, engine.address(), reference)?;
    }
    let image = base(engine, &wanted, &session.progress, unit.entry.name)
        .await
        .map_err(here)?;
    if there.is_none() {
        crate::pulled::came(project, engine.address(), reference, &image.id)?;
    }
    let checks = checked(unit, Held::Engine(&image), session, project).await?;
    // What a registry knows it by, where one does; else the engine's own digest.
    let digest = image
        .repo_digests
        .iter()
        .find_map(|name| name.split_once('@')?.1.parse().ok());
    Ok(done(
        reference.to_owned(),
        digest.unwrap_or_else(|| image.id.clone()),
        image.id.clone(),
        checks,
    ))
}

#[cfg(not(feature = "engine"))]
async fn of_engine(_: &FlowUnit, reference: &str, _: &Session, _: &Project) -> Result<Done, Stopped> {
    let failure = Failure::text(
        Stage::Check,
        format!(
            "`{reference}` is an engine's image, and this program was compiled without the feature `engine`"
        ),
        "enable it, or name a layout: `--image oci:FOLDER:NAME`",
    );
    Err(failure.into())
}
