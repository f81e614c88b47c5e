//! The plan: a declaration with everything resolved on this machine, and how it stands to what is registered.

use std::collections::BTreeMap;
#[cfg(feature = "engine")]
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use flowimage_model::declaration::Base;
use flowimage_model::reference::ImageTag;

use crate::assemble::{Binary, Part, parts};
use crate::catalog::{Catalog, Content, Registration};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::ingredients::{Ingredients, Remembered};
use crate::labels;
use crate::layer::LayerBuilder;
use crate::listed::{Listed, Lists};
use crate::oci::{Digest, sha256};
use crate::pipeline::Goal;
use crate::project::Project;
use crate::reasons;
use crate::session::Session;
use crate::target::Target;
use crate::whole;
use crate::words::some_of;

/// The form of images that this flowimage makes: another one makes other bytes of the same declaration.
const FORM: &str = "3";

/// Changes that are told one by one.
const TOLD: usize = 20;

/// Who may be asked what a base is that is not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nobody.
    Nobody,
    /// The engine, where the flow was registered before.
    Known,
    /// The engine.
    Engine,
}

/// Everything about a flow that is known before anything is made.
pub struct Plan<'a> {
    pub(crate) unit: &'a FlowUnit,
    pub(crate) session: &'a Session,
    pub(crate) project: Project,
    pub(crate) binary: &'a Binary,
    pub(crate) target: Target,
    pub(crate) catalog: Catalog,
    pub(crate) created: u64,
    /// The image's layers that are made here, before they are.
    pub(crate) parts: Vec<Part>,
    /// The digests that bases are pinned to, by reference. None of an author's Dockerfile: it is built as it stands.
    pub(crate) pins: BTreeMap<String, Digest>,
    /// What is registered of the flow at this target.
    pub(crate) known: Option<Registration>,
    /// What the image says of its flow.
    labels: BTreeMap<String, String>,
    /// All that decides the image's bytes but its bases.
    ingredients: Ingredients,
}

impl<'a> Plan<'a> {
    /// Resolves a declaration on this machine.
    ///
    /// # Errors
    /// The crate's folder or the binary cannot be found; the catalog cannot be used; a source changed since the
    /// program was compiled; a file cannot be read.
    pub fn make(unit: &'a FlowUnit, session: &'a Session, goal: Goal) -> Result<Self, Failure> {
        let options = &session.options;
        let project = Project::of(unit.entry).map_err(at(Stage::Plan))?;
        crate::stale::refuse(unit, &project)?;
        let binary = session.binary()?;
        let target = Target::of(&unit.declaration, options, &project)?;
        let catalog = Catalog::in_folder(&project.root);
        let content = catalog.read().map_err(at(Stage::Plan))?;
        if goal == Goal::Register {
            catalog.check_writable().map_err(at(Stage::Plan))?;
        }
        let created = created()?;
        let labels = labels::of_flow(unit);
        let mut plan = Self {
            unit,
            session,
            project,
            binary,
            target,
            catalog,
            created,
            parts: Vec::new(),
            pins: BTreeMap::new(),
            known: None,
            labels,
            ingredients: Ingredients::new(),
        };
        (plan.parts, plan.ingredients) = plan.look(&session.lists)?;
        plan.pins = plan.pins_in(&content);
        let name = unit.declaration.name.as_str();
        plan.known = content.registration(name, &plan.target_key()).cloned();
        plan.tag(&sha256(b""))?;
        Ok(plan)
    }

    /// The layers that are made here, and all that decides the image's bytes but its bases, as it is on this machine now.
    fn look(&self, lists: &Lists) -> Result<(Vec<Part>, Ingredients), Failure> {
        let Self { unit, project, .. } = self;
        let files = self.session.files(project);
        let parts = parts(&unit.declaration, &project.folder, self.binary, files, lists)?;
        let mut all = Ingredients::new();
        all.text("flowimage", FORM);
        all.text("SOURCE_DATE_EPOCH", &self.created.to_string());
        all.text("Dockerfile", &unit.rendered.text);
        all.keys_of_image(&unit.declaration);
        if let Some(context) = context(unit, project)? {
            let listed = Listed::of(context, files).map_err(at(Stage::Plan))?;
            all.layer("context", Arc::new(listed));
        }
        for Part { kind, listed } in &parts {
            all.layer(kind.word(), listed.clone());
        }
        for (name, value) in &self.labels {
            all.text(format!("label {name}"), value);
        }
        Ok((parts, all))
    }

    /// Refuses an image whose files are others by now: an engine copied them after the plan was made, and the image
    /// would be registered as that of the files before.
    pub(crate) fn refuse_changed(&self) -> Result<(), Failure> {
        let (_, now) = self.look(&Lists::default())?;
        if now.identity() == self.ingredients.identity() {
            return Ok(());
        }
        let changes = now.changes_since(&Remembered::from(&self.ingredients));
        Err(Failure::text(
            Stage::Build,
            format!(
                "files changed while the image was built: {}",
                some_of(&changes, TOLD)
            ),
            "run the command again when nothing writes to them",
        ))
    }

    /// All that decides the image's bytes; `None` where a base is not known without asking whom may not be asked.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn ingredients(&self, ask: Ask) -> Result<Option<Ingredients>, Failure> {
        let mut all = self.ingredients.clone();
        for reference in self.bases() {
            let digest = match self.pins.get(&reference) {
                Some(pinned) => pinned.clone(),
                None => match self.base(&reference, ask).await? {
                    Some(digest) => digest,
                    None => return Ok(None),
                },
            };
            all.digest(format!("base {reference}"), digest);
        }
        Ok(Some(all))
    }

    /// What the image says of its flow and of its base, once that was looked up.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        if let Base::Image(reference) = self.unit.declaration.base_image.base() {
            let reference = reference.to_string();
            let digest = self.known_base(&reference);
            labels.extend(labels::of_base(&reference, digest.as_ref()));
        }
        labels
    }

    /// The digest by which a registry knows a base, where one does: that of its pin, or of this build.
    fn known_base(&self, reference: &str) -> Option<Digest> {
        if self.unit.declaration.local_image {
            return None;
        }
        let pinned = self.pins.get(reference).cloned();
        pinned.or_else(|| self.found(reference))
    }

    /// The digest by which a registry knows a base that this command had to look up.
    fn found(&self, reference: &str) -> Option<Digest> {
        self.taken(reference)
            .or_else(|| self.seen(reference))
            .or_else(|| self.read(reference))
    }

    /// The digest by which its registry knows a base that this command saw in the engine.
    #[cfg(feature = "engine")]
    fn seen(&self, reference: &str) -> Option<Digest> {
        use crate::environment::{base_digest, seen};
        let image = seen(self.session, &self.unit.declaration, reference)?.ok()?;
        let (digest, is_known) = base_digest(&image, reference);
        is_known.then_some(digest)
    }

    #[cfg(not(feature = "engine"))]
    fn seen(&self, _reference: &str) -> Option<Digest> {
        None
    }

    fn pins_in(&self, catalog: &Content) -> BTreeMap<String, Digest> {
        let declaration = &self.unit.declaration;
        if self.session.options.update_base || declaration.local_image || declaration.dockerfile.is_some() {
            return BTreeMap::new();
        }
        let platform = self.binary.platform().to_string();
        let pin = |reference: String| {
            let digest = catalog.pin(&reference, &platform)?.clone();
            Some((reference, digest))
        };
        self.bases().into_iter().filter_map(pin).collect()
    }

    /// Whether the base comes from a registry or a layout, and the embedded builder puts the image together.
    #[cfg(feature = "registry")]
    pub(crate) fn is_embedded(&self) -> bool {
        let declaration = &self.unit.declaration;
        declaration.needs_run().is_none()
            && !declaration.local_image
            && *declaration.base_image.base() != Base::Scratch
    }

    /// That base, looked up once by all flows of a command, and its digest.
    #[cfg(feature = "registry")]
    pub(crate) async fn registry_base(
        &self,
        layout: &crate::layout::Layout,
    ) -> Result<(crate::assemble::Foundation, Digest), Failure> {
        let declared = self.unit.declaration.base_image.base().to_string();
        let reference = declared
            .parse()
            .map_err(|error: flowimage_model::value_error::ValueError| {
                Failure::text(Stage::Build, error.to_string(), "correct `base_image`")
            })?;
        let platform = self.binary.platform();
        let bases = self.session.bases_for(&self.project, layout);
        let pin = self.pins.get(&declared);
        let work = || async {
            let (foundation, digest) = bases.get(&reference, &platform, pin).await?;
            // A pin stays what it is: an index's digest stands for the image for the platform.
            Ok((foundation, pin.cloned().unwrap_or(digest)))
        };
        self.session
            .foundations
            .once(&self.base_key(&declared), work)
            .await
    }

    #[cfg(feature = "registry")]
    fn base_key(&self, reference: &str) -> String {
        format!("{reference} {}", self.binary.platform())
    }

    /// The digest of a base that this command took from a registry or layout.
    #[cfg(feature = "registry")]
    fn taken(&self, reference: &str) -> Option<Digest> {
        let taken = self.session.foundations.get(&self.base_key(reference))?.ok()?;
        Some(taken.1)
    }

    #[cfg(not(feature = "registry"))]
    fn taken(&self, _reference: &str) -> Option<Digest> {
        None
    }

    /// The digest of a base that this command read where it comes from, to know the environment on it, and did not need an
    /// engine for.
    #[cfg(all(feature = "engine", feature = "registry"))]
    fn read(&self, reference: &str) -> Option<Digest> {
        if crate::environment::seen(self.session, &self.unit.declaration, reference).is_some() {
            return None;
        }
        let read = self.session.base_contents.get(&self.base_key(reference))?.ok()?;
        read.map(|(_, digest)| digest)
    }

    #[cfg(not(all(feature = "engine", feature = "registry")))]
    fn read(&self, _reference: &str) -> Option<Digest> {
        None
    }

    /// Whether the engine, if there is one, has the base.
    #[cfg(all(feature = "engine", feature = "registry"))]
    pub(crate) async fn is_in_engine(&self) -> bool {
        let reference = self.unit.declaration.base_image.base().to_string();
        let declaration = &self.unit.declaration;
        let image = crate::environment::look(self.session, &self.project, declaration, &reference).await;
        matches!(image, Ok(Some(_)))
    }

    #[cfg(feature = "engine")]
    async fn base(&self, reference: &str, ask: Ask) -> Result<Option<Digest>, Failure> {
        use crate::environment::{base_digest, look};
        #[cfg(feature = "registry")]
        if self.is_embedded()
            && let taken @ Some(_) = self.taken(reference)
        {
            return Ok(taken);
        }
        #[cfg(feature = "registry")]
        if self.is_embedded() && ask != Ask::Engine {
            return Ok(None);
        }
        if let read @ Some(_) = self.read(reference) {
            return Ok(read);
        }
        // Without a registration there is nothing to compare with, and a base that is not here is pulled later.
        let worthwhile = match ask {
            Ask::Nobody => false,
            Ask::Known => self.known.is_some() && !self.session.options.update_base,
            Ask::Engine => true,
        };
        if !worthwhile {
            return Ok(None);
        }
        match look(self.session, &self.project, &self.unit.declaration, reference).await {
            Ok(image) => Ok(image.map(|image| base_digest(&image, reference).0)),
            // The build says so where it needs an engine: a registry may have what an engine would build.
            Err(_) if ask == Ask::Known => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    #[cfg(not(feature = "engine"))]
    async fn base(&self, reference: &str, _ask: Ask) -> Result<Option<Digest>, Failure> {
        Ok(self.taken(reference))
    }

    /// What bases are to be pinned to, with their platform: those of this build that a registry knows.
    pub(crate) fn pins_to_be(&self) -> Vec<(String, String, Digest)> {
        let declaration = &self.unit.declaration;
        if declaration.local_image || declaration.dockerfile.is_some() {
            return Vec::new();
        }
        let platform = self.binary.platform().to_string();
        let pin = |reference: String| {
            let digest = self.found(&reference)?;
            Some((reference, platform.clone(), digest))
        };
        self.bases().into_iter().filter_map(pin).collect()
    }

    /// The images that this one draws from.
    fn bases(&self) -> Vec<String> {
        #[cfg(feature = "engine")]
        return crate::environment::references(&self.unit.declaration);
        #[cfg(not(feature = "engine"))]
        match self.unit.declaration.base_image.base() {
            Base::Scratch => Vec::new(),
            Base::Image(reference) => vec![reference.to_string()],
        }
    }

    /// Where images of the catalog's flows are registered for the same platform: at the same registry, or anywhere where
    /// this one goes to a layout.
    #[cfg(feature = "engine")]
    pub(crate) fn neighbours(&self) -> Result<Vec<Target>, Failure> {
        let platform = self.binary.platform().to_string();
        let flows = self.catalog.all().map_err(at(Stage::Plan))?;
        // `target_key` says what a key is made of.
        let targets = flows.values().flat_map(BTreeMap::keys).filter_map(|key| {
            let (target, rest) = key.split_once(' ')?;
            (rest.split(' ').next() == Some(&*platform)).then_some(target)
        });
        let targets: BTreeSet<&str> = targets.collect();
        let targets = targets.into_iter().filter_map(Target::of_text);
        let fits = |it: &Target| !self.target.is_remote() || it.is_beside(&self.target);
        Ok(targets.filter(fits).collect())
    }

    /// The registration at this target that a flow with these ingredients already has, and that needs no new image.
    pub(crate) fn registered(&self, now: &Ingredients) -> Option<&Registration> {
        let known = self.known.as_ref()?;
        self.differences(known, now, &now.identity())
            .is_empty()
            .then_some(known)
    }

    /// Why a registration's image is not the one that this plan leads to, or must be looked at again.
    fn differences(&self, known: &Registration, now: &Ingredients, identity: &Digest) -> Vec<String> {
        let mut differences = Vec::new();
        if known.identity.as_ref() != Some(identity) {
            let before = fs::read_to_string(self.details()).unwrap_or_default();
            match Remembered::from_text(&before) {
                Some(before) if known.identity.as_ref() == Some(&before.identity) => {
                    differences = now.changes_since(&before);
                }
                _ => differences.push(
                    "the image's identity; what it was made of is not known on this machine".to_owned(),
                ),
            }
        }
        if !self.waives_checks() && known.checks.as_ref() != Some(&self.checks()) {
            differences.push(match known.checks {
                Some(_) => "the health checks".to_owned(),
                None => "it was registered without health checks".to_owned(),
            });
        }
        let tag = self.tag(identity).ok().filter(|_| self.target.is_remote());
        if known.tag != tag {
            differences.push(match &tag {
                Some(tag) => format!("the tag, now `{tag}`"),
                None => "the tag".to_owned(),
            });
        }
        differences
    }

    /// The tag to move to the image: given, declared, or the image's identity, which cannot lie.
    pub(crate) fn tag(&self, identity: &Digest) -> Result<String, Failure> {
        let tag = match (&self.session.options.tag, &self.unit.declaration.image_tag) {
            (Some(tag), _) => tag.as_str(),
            (None, Some(tag)) => tag.as_str(),
            (None, None) => identity.short(),
        };
        let valid = tag.parse::<ImageTag>().map_err(|error| {
            let advice = error.help().unwrap_or("write another tag");
            Failure::text(Stage::Plan, format!("--tag: {error}"), advice)
        })?;
        Ok(valid.to_string())
    }

    /// Whether the image goes on without health checks.
    pub(crate) fn waives_checks(&self) -> bool {
        self.session.options.no_check || self.unit.declaration.ignore_healthchecks
    }

    /// The hash of what is checked of an image.
    pub(crate) fn checks(&self) -> Digest {
        let mut checks = Ingredients::new();
        checks.keys_of_checks(&self.unit.declaration);
        checks.identity()
    }

    /// The hash of what only the orchestrator sees, and of the image.
    pub(crate) fn registration(&self, digest: &Digest) -> Digest {
        let mut registration = Ingredients::new();
        registration.digest("image", digest.clone());
        registration.keys_of_registration(&self.unit.declaration);
        registration.text("parameters", &self.unit.entry.parameters_schema().to_string());
        registration.text("profile", &format!("{:?}", self.session.options.settings.profile));
        registration.identity()
    }

    /// What a registration is called in the catalog, beside the flow's name. Profiles that lead to one repository may
    /// differ in tag, schedule and orchestrator, so each has its own.
    pub(crate) fn target_key(&self) -> String {
        let key = format!("{} {}", self.target, self.binary.platform());
        match &self.session.options.profile {
            Some(profile) => format!("{key} profile {profile}"),
            None => key,
        }
    }

    /// Remembers what a registered image was made of, so that a later plan can say what changed since. Where that
    /// cannot be written, it cannot.
    pub(crate) fn remember(&self, ingredients: &Ingredients) {
        let _ = whole::write(&self.details(), ingredients.to_text().as_bytes());
    }

    fn details(&self) -> PathBuf {
        let key = Project::details_key(self.unit.declaration.name.as_str(), &self.target_key());
        self.project.registered().join(sha256(key.as_bytes()).hex())
    }

    /// What `plan` prints: decisions and their reasons, by name.
    pub async fn explain(&self) -> Result<BTreeMap<&'static str, String>, Failure> {
        let declaration = &self.unit.declaration;
        let mut lines = BTreeMap::new();
        lines.insert("base", reasons::base(declaration));
        lines.insert(
            "entrypoint",
            reasons::entrypoint(self.unit, &self.project, declaration),
        );
        #[cfg(feature = "engine")]
        if let Some(dockerfile) = &declaration.dockerfile {
            let context = reasons::context(declaration, dockerfile, &self.project.folder);
            lines.insert("context", context);
        }
        lines.insert(
            "builder",
            match declaration.needs_run() {
                Some(key) => format!("an engine, because of `{key}`"),
                None => "embedded: nothing needs RUN".to_owned(),
            },
        );
        lines.insert("platform", self.binary.platform().to_string());
        lines.insert("binary", self.binary.path.display().to_string());
        lines.insert("target", self.target.to_string());
        let now = self
            .ingredients(Ask::Nobody)
            .await?
            .map(|now| (now.identity(), now));
        if let Some((identity, _)) = &now {
            lines.insert("identity", identity.to_string());
        }
        let registered = self.known.as_ref().map(|known| known.digest.to_string());
        lines.insert("registered", registered.unwrap_or_else(|| "not yet".to_owned()));
        let (action, reasons) = self.decision(now.as_ref());
        lines.insert("action", action.to_owned());
        lines.insert("because", some_of(&reasons, TOLD));
        // What was read need not be read again by the next command. Where there is nothing yet, a plan leaves nothing.
        if self.project.products.is_dir() {
            self.session.files(&self.project).save();
        }
        Ok(lines)
    }

    /// What `register` would do, and why.
    fn decision(&self, now: Option<&(Digest, Ingredients)>) -> (&'static str, Vec<String>) {
        let anew = match self.waives_checks() {
            true => "build, push, register",
            false => "build, check, push, register",
        };
        let Some(known) = &self.known else {
            return (anew, vec![format!("nothing is registered at {}", self.target)]);
        };
        let Some((identity, now)) = now else {
            let base = self.unit.declaration.base_image.base();
            return (
                anew,
                vec![format!("the base {base} is not pinned, and must be looked at")],
            );
        };
        let differences = self.differences(known, now, identity);
        if !differences.is_empty() {
            return (anew, differences);
        }
        if known.registration.as_ref() != Some(&self.registration(&known.digest)) {
            let why = "only what the orchestrator sees changed".to_owned();
            return ("register again, build nothing", vec![why]);
        }
        (
            "nothing, if the target still holds the image",
            vec!["nothing changed since it was registered".to_owned()],
        )
    }
}

/// What an author's Dockerfile may copy.
#[cfg(feature = "engine")]
fn context(unit: &FlowUnit, project: &Project) -> Result<Option<LayerBuilder>, Failure> {
    let declaration = &unit.declaration;
    let context = |dockerfile| crate::environment::of_dockerfile(declaration, dockerfile, &project.folder);
    declaration.dockerfile.as_ref().map(context).transpose()
}

#[cfg(not(feature = "engine"))]
fn context(_: &FlowUnit, _: &Project) -> Result<Option<LayerBuilder>, Failure> {
    Ok(None)
}

/// The time that images and their files bear: `SOURCE_DATE_EPOCH`, or 0.
///
/// Source: <https://reproducible-builds.org/specs/source-date-epoch/>.
fn created() -> Result<u64, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().map_err(|_| {
            Failure::text(
                Stage::Plan,
                format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"),
                "unset it, or set it to seconds since 1970",
            )
        }),
        Err(_) => Ok(0),
    }
}
