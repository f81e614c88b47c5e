//! From what was written to a [`Declaration`]: every key read, every rule checked, every mistake at its place.

mod read;
mod rules;

use std::collections::BTreeMap;

use crate::declaration::{Base, BaseImage, Declaration, FileCopy, UserDockerfile};
use crate::dockerfile::Dockerfile;
use crate::names::{ContainerPath, FlowName, PathKind};
use crate::tree::{Findings, Mistake, Tree};

use read::{Placed, Reader};

/// The item that carries the attribute.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// Its identifier, as written.
    pub name: &'a str,
    /// Its doc comment, lines joined, trimmed; empty where it has none.
    pub docs: &'a str,
}

/// What a declaration may ask of the folder it stands in. Paths are as declared: relative to the crate, or
/// absolute.
pub trait Surroundings {
    /// What is at the path; `None` where nothing is.
    fn kind(&self, path: &str) -> Option<PathKind>;
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn text(&self, path: &str) -> Result<String, String>;
    /// Entries of a folder by name, for "did you mean"; empty where it cannot be read.
    fn names(&self, folder: &str) -> Vec<String>;
}

/// Lints that `allow` takes.
pub const LINTS: [&str; 1] = ["unpinned_base"];

/// Reads the merged keys of a flow into its declaration.
///
/// `whole` is the place for what has no better one. The declaration is `None` exactly where there is a mistake.
pub fn declare<P: Clone>(
    item: &Item<'_>,
    whole: &P,
    keys: Tree<P>,
    surroundings: &dyn Surroundings,
) -> (Option<Declaration>, Findings<P>) {
    let mut reader = Reader::new(keys);
    let draft = Draft::read(item, whole, &mut reader, surroundings);
    let mut findings = reader.finish();
    rules::check(&draft, &mut findings);
    silence(&draft, &mut findings);
    let declaration = findings.mistakes.is_empty().then(|| draft.finish()).flatten();
    (declaration, findings)
}

/// Everything a declaration says, with places, before the rules across keys.
struct Draft<P> {
    name: Option<Placed<FlowName, P>>,
    description: Option<String>,
    registry_url: Option<Placed<crate::reference::RegistryUrl, P>>,
    image_name: Option<Placed<crate::reference::ImageName, P>>,
    image_tag: Option<Placed<crate::reference::ImageTag, P>>,
    base_image: Option<Placed<Base, P>>,
    dockerfile: Option<Placed<String, P>>,
    dockerfile_parsed: Option<(String, Dockerfile)>,
    system_dependencies: Vec<Placed<crate::names::PackageName, P>>,
    files: Vec<PlacedFile<P>>,
    env_vars: Vec<(
        Placed<crate::names::EnvName, P>,
        Placed<crate::names::EnvValue, P>,
    )>,
    extra_dockerfile_commands: Vec<Placed<String, P>>,
    ignore_healthchecks: Option<Placed<bool, P>>,
    user: Option<Placed<crate::names::User, P>>,
    labels: Vec<(Placed<crate::names::LabelKey, P>, Placed<String, P>)>,
    allow: Vec<Placed<String, P>>,
}

/// One entry of `files`, with places of both halves.
struct PlacedFile<P> {
    source: Placed<String, P>,
    destination: Placed<ContainerPath, P>,
    kind: Option<PathKind>,
}

impl<P: Clone> Draft<P> {
    fn read(item: &Item<'_>, whole: &P, reader: &mut Reader<P>, surroundings: &dyn Surroundings) -> Self {
        let mut draft = Self {
            name: reader.text("name"),
            description: reader.text::<String>("description").map(|text| text.value),
            registry_url: reader.text("registry_url"),
            image_name: reader.text("image_name"),
            image_tag: reader.text("image_tag"),
            base_image: reader.text("base_image"),
            dockerfile: reader.text("dockerfile"),
            dockerfile_parsed: None,
            system_dependencies: reader.list("system_dependencies"),
            files: read_files(reader, surroundings),
            env_vars: reader.map("env_vars"),
            extra_dockerfile_commands: reader.list("extra_dockerfile_commands"),
            ignore_healthchecks: reader.flag("ignore_healthchecks"),
            user: reader.text("user"),
            labels: reader.map("labels"),
            allow: reader.list("allow"),
        };
        if draft.name.is_none() && !reader.has("name") {
            match kebab_case(item.name).parse() {
                Ok(name) => {
                    draft.name = Some(Placed {
                        value: name,
                        place: whole.clone(),
                    })
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
        if draft.description.is_none() && !item.docs.is_empty() {
            draft.description = Some(item.docs.to_owned());
        }
        if let Some(path) = &draft.dockerfile {
            match surroundings.text(&path.value) {
                Ok(text) => match Dockerfile::parse(&text) {
                    Ok(parsed) => draft.dockerfile_parsed = Some((text, parsed)),
                    Err(mistakes) => {
                        for mistake in mistakes {
                            let text = format!(
                                "{}:{}:{}: {}",
                                path.value, mistake.line, mistake.column, mistake.message
                            );
                            let mut found = Mistake::new(path.place.clone(), text);
                            found.help.extend(mistake.help);
                            reader.findings.mistake(found);
                        }
                    }
                },
                Err(why) => reader.findings.mistake(missing_path(
                    &path.place,
                    "Dockerfile",
                    &path.value,
                    &why,
                    surroundings,
                )),
            }
        }
        draft
    }

    /// The declaration; call it only where there was no mistake.
    fn finish(self) -> Option<Declaration> {
        let base_image = self.base_image();
        let dockerfile = match (self.dockerfile, self.dockerfile_parsed) {
            (Some(path), Some((text, parsed))) => Some(UserDockerfile {
                path: path.value,
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
        Some(Declaration {
            name: self.name?.value,
            description: self.description,
            registry_url: self.registry_url.map(|it| it.value),
            image_name: self.image_name.map(|it| it.value),
            image_tag: self.image_tag.map(|it| it.value),
            base_image,
            dockerfile,
            system_dependencies: sorted(self.system_dependencies),
            files,
            env_vars: pairs(self.env_vars),
            extra_dockerfile_commands: values(self.extra_dockerfile_commands),
            ignore_healthchecks: self.ignore_healthchecks.is_some_and(|it| it.value),
            flow_directory: DEFAULT_FLOW_DIRECTORY.parse().ok()?,
            user: self.user.map(|it| it.value),
            labels: pairs(self.labels),
            allow: sorted(self.allow),
        })
    }

    /// The base, as said or inferred. The table of defaults is fixed per flowimage release.
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
        let runs = !self.system_dependencies.is_empty()
            || self
                .extra_dockerfile_commands
                .iter()
                .any(|it| !crate::declaration::only_configures(&it.value));
        let text = if runs {
            "debian:bookworm-slim".to_owned()
        } else {
            "scratch".to_owned()
        };
        BaseImage::Inferred(text.parse().unwrap_or(Base::Scratch))
    }
}

/// The folder of the flow binary in the image.
pub const DEFAULT_FLOW_DIRECTORY: &str = "/opt/flow";

fn sorted<T: Ord, P>(items: Vec<Placed<T, P>>) -> Vec<T> {
    let mut items = values(items);
    items.sort();
    items
}

fn values<T, P>(items: Vec<Placed<T, P>>) -> Vec<T> {
    items.into_iter().map(|item| item.value).collect()
}

fn pairs<K: Ord, V, P>(items: Vec<(Placed<K, P>, Placed<V, P>)>) -> BTreeMap<K, V> {
    items
        .into_iter()
        .map(|(key, value)| (key.value, value.value))
        .collect()
}

/// Reads `files`, where a destination that ends in `/` takes the source's own name.
fn read_files<P: Clone>(reader: &mut Reader<P>, surroundings: &dyn Surroundings) -> Vec<PlacedFile<P>> {
    let mut files = Vec::new();
    for (source, destination) in reader.map::<String, String>("files") {
        let kind = surroundings.kind(&source.value);
        if kind.is_none() {
            reader.findings.mistake(missing_path(
                &source.place,
                "file or folder",
                &source.value,
                "it does not exist",
                surroundings,
            ));
        }
        let mut text = destination.value.clone();
        if text.ends_with('/') && text.len() > 1 && kind == Some(PathKind::File) {
            text.push_str(source.value.rsplit('/').next().unwrap_or_default());
        }
        match text.parse() {
            Ok(value) => files.push(PlacedFile {
                source,
                destination: Placed {
                    value,
                    place: destination.place,
                },
                kind,
            }),
            Err(error) => reader
                .findings
                .mistake(read::from_value_error(destination.place, &error)),
        }
    }
    files
}

/// A path that cannot be had, with the nearest name in the nearest folder that exists.
fn missing_path<P: Clone>(
    place: &P,
    what: &str,
    path: &str,
    why: &str,
    surroundings: &dyn Surroundings,
) -> Mistake<P> {
    let mistake = Mistake::new(place.clone(), format!("{what} `{path}` cannot be read: {why}"));
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let names = surroundings.names(if folder.is_empty() { "/" } else { folder });
    let near = crate::suggest::suggest(name, names.iter().map(String::as_str));
    let help = match near {
        Some(near) if folder == "." => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{folder}/{near}`?"),
        None => "relative paths start at the folder of `Cargo.toml`".to_owned(),
    };
    mistake.help(help)
}

/// Drops the doubts that `allow` names.
fn silence<P>(draft: &Draft<P>, findings: &mut Findings<P>) {
    findings
        .doubts
        .retain(|doubt| !draft.allow.iter().any(|lint| lint.value == doubt.lint));
}

/// The kebab-case of a Rust identifier: `NightlyOrders` and `nightly_orders` are `nightly-orders`.
pub fn kebab_case(identifier: &str) -> String {
    let identifier = identifier.strip_prefix("r#").unwrap_or(identifier);
    let mut kebab = String::with_capacity(identifier.len() + 4);
    let mut previous = '_';
    let mut letters = identifier.chars().peekable();
    while let Some(letter) = letters.next() {
        let starts_word = letter.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_ascii_digit()
                || (previous.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase())));
        if (letter == '_' || starts_word) && !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
        if letter != '_' {
            kebab.extend(letter.to_lowercase());
        }
        previous = letter;
    }
    kebab.trim_end_matches('-').to_owned()
}
