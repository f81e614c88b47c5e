//! Everything a declaration says, with places, before the rules across keys.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::paths::{PlacedFile, read_files};
use super::read::{Argument, Line, Literal, ParameterName, Placed, Reader};
use super::{Item, Surroundings, kebab_case};
use crate::command::{CommandLine, CommandName};
use crate::declaration::{
    Base, BaseImage, Declaration, FileCopy, Libraries, UserDockerfile, only_configures,
};
use crate::dockerfile::Dockerfile;
use crate::health::{LibraryName, ProbeName};
use crate::names::{
    ContainerPath, EnvName, EnvValue, FlowName, GroupName, LabelKey, PackageName, PathKind, User,
};
use crate::platform::Platform;
use crate::python::PythonVersion;
use crate::reference::{ImageName, ImageTag, RegistryUrl};
use crate::requirement::Requirement;
use crate::schedule::Schedule;
use crate::secret::Secret;
use crate::tree::Mistake;

/// The folder of the flow binary in the image.
pub const DEFAULT_FLOW_DIRECTORY: &str = "/opt/flow";

/// The base of a flow that needs `RUN` and no Python. With [`DEFAULT_PYTHON`] the table of defaults, fixed per
/// flowimage release.
const DEFAULT_BASE: &str = "debian:bookworm-slim";

/// The Python of a flow that needs one and does not say which.
const DEFAULT_PYTHON: &str = "3.12";

type List<T, P> = Vec<Placed<T, P>>;
type Map<K, V, P> = Vec<(Placed<K, P>, Placed<V, P>)>;

pub(super) struct Draft<P> {
    pub(super) name: Option<Placed<FlowName, P>>,
    pub(super) description: Option<Placed<String, P>>,
    pub(super) registry_url: Option<Placed<RegistryUrl, P>>,
    pub(super) image_name: Option<Placed<ImageName, P>>,
    pub(super) image_tag: Option<Placed<ImageTag, P>>,
    pub(super) base_image: Option<Placed<Base, P>>,
    pub(super) dockerfile: Option<Placed<Line, P>>,
    pub(super) dockerfile_parsed: Option<(String, Dockerfile)>,
    pub(super) dockerignore: Option<Placed<Line, P>>,
    pub(super) system_dependencies: List<PackageName, P>,
    pub(super) python_dependencies: List<Requirement, P>,
    pub(super) python_version: Option<Placed<PythonVersion, P>>,
    pub(super) files: Vec<PlacedFile<P>>,
    pub(super) env_vars: Map<EnvName, EnvValue, P>,
    pub(super) extra_dockerfile_commands: List<String, P>,
    pub(super) build_args: Map<EnvName, Literal, P>,
    pub(super) secrets: List<Secret, P>,
    pub(super) commands: List<CommandName, P>,
    pub(super) health_checks: List<CommandLine, P>,
    pub(super) dynamic_libraries: List<LibraryName, P>,
    pub(super) dry_run: Option<Map<ParameterName, Literal, P>>,
    pub(super) health_checks_network: Option<Placed<bool, P>>,
    pub(super) skip_health_checks: List<ProbeName, P>,
    pub(super) ignore_healthchecks: Option<Placed<bool, P>>,
    pub(super) exec: List<Argument, P>,
    pub(super) local_image: Option<Placed<bool, P>>,
    pub(super) libraries: Option<Placed<Libraries, P>>,
    pub(super) flow_directory: Option<Placed<ContainerPath, P>>,
    pub(super) user: Option<Placed<User, P>>,
    pub(super) platform: Option<Placed<Platform, P>>,
    pub(super) labels: Map<LabelKey, Literal, P>,
    pub(super) image: Option<Placed<GroupName, P>>,
    pub(super) tags: List<Line, P>,
    pub(super) schedule: Option<Placed<Schedule, P>>,
    pub(super) concurrency_limit: Option<Placed<NonZeroU32, P>>,
    pub(super) work_pool: Option<Placed<Line, P>>,
    pub(super) allow: List<String, P>,
}

impl<P: Clone> Draft<P> {
    pub(super) fn read(
        item: &Item<'_>,
        whole: &P,
        reader: &mut Reader<P>,
        surroundings: &dyn Surroundings,
    ) -> Self {
        let mut draft = Self {
            name: reader.text("name"),
            description: reader.text("description"),
            registry_url: reader.text("registry_url"),
            image_name: reader.text("image_name"),
            image_tag: reader.text("image_tag"),
            base_image: reader.text("base_image"),
            dockerfile: reader.text("dockerfile"),
            dockerfile_parsed: None,
            dockerignore: reader.text("dockerignore"),
            system_dependencies: reader.list("system_dependencies"),
            python_dependencies: reader.list("python_dependencies"),
            python_version: reader.text("python_version"),
            files: read_files(reader, surroundings),
            env_vars: reader.map("env_vars"),
            extra_dockerfile_commands: reader.list("extra_dockerfile_commands"),
            build_args: reader.map("build_args"),
            secrets: reader.list("secrets"),
            commands: reader.list("commands"),
            health_checks: reader.list("health_checks"),
            dynamic_libraries: reader.list("dynamic_libraries"),
            dry_run: reader.has("dry_run").then(|| reader.map("dry_run")),
            health_checks_network: reader.flag("health_checks_network"),
            skip_health_checks: reader.list("skip_health_checks"),
            ignore_healthchecks: reader.flag("ignore_healthchecks"),
            exec: reader.list("exec"),
            local_image: reader.flag("local_image"),
            libraries: reader.text("libraries"),
            flow_directory: reader.text("flow_directory"),
            user: reader.text("user"),
            platform: reader.text("platform"),
            labels: reader.map("labels"),
            image: reader.text("image"),
            tags: reader.list("tags"),
            schedule: reader.text("schedule"),
            concurrency_limit: reader.count("concurrency_limit"),
            work_pool: reader.text("work_pool"),
            allow: reader.list("allow"),
        };
        draft.complete(item, whole, reader);
        draft.read_dockerfile(reader, surroundings);
        draft
    }

    /// Name and description from the item, where no key says them.
    fn complete(&mut self, item: &Item<'_>, whole: &P, reader: &mut Reader<P>) {
        if self.name.is_none() && !reader.has("name") {
            match kebab_case(item.name).parse() {
                Ok(value) => {
                    self.name = Some(Placed {
                        value,
                        place: whole.clone(),
                    });
                }
                Err(error) => reader.findings.mistake(
                    Mistake::new(
                        whole.clone(),
                        format!("the item's name makes no flow name: {error}"),
                    )
                    .help("add `name = \"…\"`"),
                ),
            }
        }
        if self.description.is_none() && !item.docs.is_empty() {
            self.description = Some(Placed {
                value: item.docs.to_owned(),
                place: whole.clone(),
            });
        }
    }

    /// The declaration; call it only where there was no mistake.
    pub(super) fn finish(self) -> Option<Declaration> {
        let base_image = self.base_image();
        let dockerfile = match (self.dockerfile, self.dockerfile_parsed) {
            (Some(path), Some((text, parsed))) => Some(UserDockerfile {
                path: path.value.0,
                length: text.len(),
                sets_user: parsed.final_user().is_some(),
                text,
            }),
            _ => None,
        };
        let mut files: Vec<_> = self
            .files
            .into_iter()
            .map(|file| FileCopy {
                destination: file.destination.value,
                source: file.source.value,
                folder: file.kind == Some(PathKind::Folder),
            })
            .collect();
        files.sort();
        let mut tags: Vec<_> = values(self.tags).into_iter().map(|tag| tag.0).collect();
        tags.sort();
        Some(Declaration {
            name: self.name?.value,
            description: value(self.description),
            registry_url: value(self.registry_url),
            image_name: value(self.image_name),
            image_tag: value(self.image_tag),
            base_image,
            dockerfile,
            dockerignore: value(self.dockerignore).map(|path| path.0),
            system_dependencies: sorted(self.system_dependencies),
            python_dependencies: sorted(self.python_dependencies),
            python_version: value(self.python_version),
            files,
            env_vars: pairs(self.env_vars),
            extra_dockerfile_commands: values(self.extra_dockerfile_commands),
            build_args: literals(self.build_args),
            secrets: sorted(self.secrets),
            commands: sorted(self.commands),
            health_checks: values(self.health_checks)
                .into_iter()
                .map(|line| line.0)
                .collect(),
            dynamic_libraries: sorted(self.dynamic_libraries),
            dry_run: self.dry_run.map(|parameters| {
                let parameters = parameters.into_iter();
                parameters
                    .map(|(name, value)| (name.value.0, value.value.0))
                    .collect()
            }),
            health_checks_network: value(self.health_checks_network).unwrap_or_default(),
            skip_health_checks: sorted(self.skip_health_checks),
            ignore_healthchecks: value(self.ignore_healthchecks).unwrap_or_default(),
            exec: values(self.exec).into_iter().map(|word| word.0).collect(),
            local_image: value(self.local_image).unwrap_or_default(),
            libraries: value(self.libraries).unwrap_or_default(),
            flow_directory: match self.flow_directory {
                Some(folder) => folder.value,
                None => DEFAULT_FLOW_DIRECTORY.parse().ok()?,
            },
            user: value(self.user),
            platform: value(self.platform),
            labels: literals(self.labels),
            image: value(self.image),
            tags,
            schedule: value(self.schedule),
            concurrency_limit: value(self.concurrency_limit),
            work_pool: value(self.work_pool).map(|name| name.0),
            allow: sorted(self.allow),
        })
    }

    /// The first extra command that does more than configure the image.
    pub(super) fn running_command(&self) -> Option<&Placed<String, P>> {
        self.extra_dockerfile_commands
            .iter()
            .find(|command| !only_configures(&command.value))
    }

    /// The first key whose generated steps need a `RUN`, and its place: what [`Declaration::generated_run`] says of the
    /// finished declaration.
    pub(super) fn generated_run(&self) -> Option<(&'static str, &P)> {
        let system = self.system_dependencies.first();
        let system = system.map(|it| ("system_dependencies", &it.place));
        let python = self.python_dependencies.first();
        let python = python.map(|it| ("python_dependencies", &it.place));
        let extra = || Some(("extra_dockerfile_commands", &self.running_command()?.place));
        system.or(python).or_else(extra)
    }

    /// The base, as said or inferred.
    fn base_image(&self) -> BaseImage {
        if let Some(base) = &self.base_image {
            return BaseImage::Declared(base.value.clone());
        }
        if let Some((_, parsed)) = &self.dockerfile_parsed {
            let base = parsed
                .final_base()
                .and_then(|text| text.parse().ok())
                .unwrap_or(Base::Scratch);
            return BaseImage::Dockerfile(base);
        }
        let text = if !self.python_dependencies.is_empty() || self.python_version.is_some() {
            let version = self
                .python_version
                .as_ref()
                .map_or(DEFAULT_PYTHON, |it| it.value.as_str());
            format!("python:{version}-slim-bookworm")
        } else if self.generated_run().is_some() {
            DEFAULT_BASE.to_owned()
        } else {
            "scratch".to_owned()
        };
        BaseImage::Inferred(text.parse().unwrap_or(Base::Scratch))
    }
}

fn value<T, P>(placed: Option<Placed<T, P>>) -> Option<T> {
    placed.map(|placed| placed.value)
}

fn values<T, P>(items: List<T, P>) -> Vec<T> {
    items.into_iter().map(|item| item.value).collect()
}

fn sorted<T: Ord, P>(items: List<T, P>) -> Vec<T> {
    let mut items = values(items);
    items.sort();
    items
}

fn pairs<K: Ord, V, P>(items: Map<K, V, P>) -> BTreeMap<K, V> {
    items
        .into_iter()
        .map(|(key, value)| (key.value, value.value))
        .collect()
}

fn literals<K: Ord, P>(items: Map<K, Literal, P>) -> BTreeMap<K, String> {
    items
        .into_iter()
        .map(|(key, value)| (key.value, value.value.0))
        .collect()
}
