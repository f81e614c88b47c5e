//! `flowimage.toml`: keys for all flows, for the flows of one image, and what is known only where a command runs.
//!
//! `[defaults]` and `[image.NAME]` are read when the program is compiled, `[profile.NAME]`, `[engine]`, `[registry]`,
//! `[prefect]` and `[kubernetes]` when a command runs.

mod layers;
mod toml_tree;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::declare::read::{Line, Literal, Placed, Reader};
use crate::keys::{ENGINE_KEYS, KUBERNETES_KEYS, Key, PREFECT_KEYS, PROFILE_KEYS, REGISTRY_KEYS};
use crate::names::EnvName;
use crate::reference::{ImageTag, RegistryUrl};
use crate::schedule::Schedule;
use crate::suggest::suggest;
use crate::tree::{Entry, Findings, Mistake, Position, Tree, Value};
use crate::value_error::{ValueError, shown};

pub use layers::{fingerprint, layer};

/// The file's name.
pub const FILE: &str = "flowimage.toml";

/// The tables it may have.
const TABLES: [&str; 7] = [
    "defaults",
    "image",
    "profile",
    "engine",
    "registry",
    "prefect",
    "kubernetes",
];

/// A whole file. Tables that hold for declarations are kept as written; their keys are checked with the flow's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings<P> {
    /// `[defaults]`.
    pub defaults: Tree<P>,
    /// `[image.NAME]` by name.
    pub images: BTreeMap<String, Tree<P>>,
    /// `[profile.NAME]` by name.
    profiles: BTreeMap<String, Tree<P>>,
    engine: Tree<P>,
    registry: Tree<P>,
    prefect: Tree<P>,
    kubernetes: Tree<P>,
}

impl<P> Default for Settings<P> {
    fn default() -> Self {
        Self {
            defaults: Tree::default(),
            images: BTreeMap::new(),
            profiles: BTreeMap::new(),
            engine: Tree::default(),
            registry: Tree::default(),
            prefect: Tree::default(),
            kubernetes: Tree::default(),
        }
    }
}

/// What holds where a command runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The profile that the command line chose.
    pub profile: Profile,
    /// `[engine]`.
    pub engine: EngineTable,
    /// `[registry]`.
    pub registry: RegistryTable,
    /// `[prefect]`.
    pub prefect: PrefectTable,
    /// `[kubernetes]`.
    pub kubernetes: KubernetesTable,
}

/// `[profile.NAME]`: each value stands over the declared one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The registry to push to.
    pub registry_url: Option<RegistryUrl>,
    /// The tag to move.
    pub image_tag: Option<ImageTag>,
    /// The engine, as `--engine` takes it.
    pub engine: Option<String>,
    /// When the orchestrator runs the flows.
    pub schedule: Option<Schedule>,
    /// How many runs of a flow are at work at once.
    pub concurrency_limit: Option<NonZeroU32>,
    /// Tags at the orchestrator; `None` where the profile says nothing of them.
    pub tags: Option<Vec<String>>,
    /// The orchestrator's work pool.
    pub work_pool: Option<String>,
}

/// `[engine]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineTable {
    /// The engine's address, as `--engine` takes it.
    pub host: Option<String>,
    /// The folder of its certificates, relative to the file.
    pub cert_path: Option<String>,
}

/// `[registry]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryTable {
    /// An OCI layout with base images, relative to the file.
    pub bases: Option<String>,
    /// Registries, `host[:port]`, that are spoken to without TLS.
    pub plain_http: Vec<String>,
}

/// `[prefect]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefectTable {
    /// The server's API.
    pub api_url: Option<String>,
    /// The work pool of flows that declare none.
    pub work_pool: Option<String>,
    /// The queue of the work pool.
    pub work_queue: Option<String>,
}

/// `[kubernetes]`: what a cluster adds to the flows' manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesTable {
    /// The namespace.
    pub namespace: Option<String>,
    /// The account that flows run with.
    pub service_account: Option<String>,
    /// Secrets with the registry's credentials.
    pub image_pull_secrets: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<EnvName, String>,
    /// Environment variables whose values a secret of the cluster has.
    pub secrets: BTreeMap<EnvName, SecretReference>,
    /// The processor time asked for, such as `500m`.
    pub cpu: Option<String>,
    /// The memory asked for and allowed, such as `512Mi`.
    pub memory: Option<String>,
}

/// A value in a secret of a cluster: `NAME/KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// The secret.
    pub secret: String,
    /// Its key.
    pub key: String,
}

impl std::str::FromStr for SecretReference {
    type Err = ValueError;

    /// Source: <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data>.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fits = |part: &str, more: &[char]| {
            !part.is_empty()
                && part.len() <= 253
                && part
                    .chars()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || more.contains(&it))
        };
        match text.split_once('/') {
            Some((secret, key))
                if fits(secret, &['-', '.']) && fits(&key.to_ascii_lowercase(), &['-', '.', '_']) =>
            {
                Ok(Self {
                    secret: secret.to_owned(),
                    key: key.to_owned(),
                })
            }
            _ => Err(ValueError::new(format!(
                "{} names no value of a secret: expected `SECRET/KEY`, such as `orders-db/password`",
                shown(text)
            ))),
        }
    }
}

impl Settings<Position> {
    /// Reads a file's text. Whatever of it can be read is there, also where something is wrong.
    pub fn read(text: &str) -> (Self, Findings<Position>) {
        let mut settings = Self::default();
        let mut findings = Findings::default();
        let tree = match toml_tree::read(text) {
            Ok(tree) => tree,
            Err(mistake) => {
                findings.mistake(mistake);
                return (settings, findings);
            }
        };
        for entry in tree.entries {
            let key = entry.key.clone();
            match key.as_str() {
                "defaults" => settings.defaults = table(entry, &mut findings),
                "engine" => settings.engine = table(entry, &mut findings),
                "registry" => settings.registry = table(entry, &mut findings),
                "prefect" => settings.prefect = table(entry, &mut findings),
                "kubernetes" => settings.kubernetes = table(entry, &mut findings),
                "image" => settings.images = named_tables(entry, &mut findings),
                "profile" => settings.profiles = named_tables(entry, &mut findings),
                _ => findings.mistake(unknown_table(&key, entry.key_place)),
            }
        }
        for image in settings.images.values() {
            if let Some(entry) = image.entries.iter().find(|entry| entry.key == "image") {
                findings.mistake(
                    Mistake::new(entry.key_place, "an image is not of another image")
                        .help("put what both have into `[defaults]`"),
                );
            }
        }
        (settings, findings)
    }

    /// Reads the tables that hold where a command runs, with the profile of this name.
    ///
    /// # Errors
    /// A key or value that is none; a profile that the file does not have (without a place).
    pub fn running(&self, profile: Option<&str>) -> Result<Running, Vec<Mistake<Option<Position>>>> {
        let mut mistakes = Vec::new();
        let mut running = Running::default();
        // Every profile is read, so that a mistake is not found on the day it is needed.
        for (name, tree) in &self.profiles {
            let read = read_table(tree, &PROFILE_KEYS, &mut mistakes, read_profile);
            if profile == Some(name) {
                running.profile = read;
            }
        }
        if let Some(name) = profile
            && !self.profiles.contains_key(name)
        {
            let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
            let mistake = Mistake::new(None, format!("there is no `[profile.{name}]`"));
            mistakes.push(match suggest(name, known.iter().copied()) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => mistake.help(format!("write one into `{FILE}`")),
                None => mistake.help(format!("profiles are: {}", known.join(", "))),
            });
        }
        running.engine = read_table(&self.engine, &ENGINE_KEYS, &mut mistakes, |reader| EngineTable {
            host: line(reader.text("host")),
            cert_path: line(reader.text("cert_path")),
        });
        running.registry = read_table(&self.registry, &REGISTRY_KEYS, &mut mistakes, |reader| {
            RegistryTable {
                bases: line(reader.text("bases")),
                plain_http: lines(reader.list("plain_http")),
            }
        });
        running.prefect = read_table(&self.prefect, &PREFECT_KEYS, &mut mistakes, |reader| {
            PrefectTable {
                api_url: line(reader.text("api_url")),
                work_pool: line(reader.text("work_pool")),
                work_queue: line(reader.text("work_queue")),
            }
        });
        running.kubernetes = read_table(&self.kubernetes, &KUBERNETES_KEYS, &mut mistakes, |reader| {
            KubernetesTable {
                namespace: line(reader.text("namespace")),
                service_account: line(reader.text("service_account")),
                image_pull_secrets: lines(reader.list("image_pull_secrets")),
                env: map(reader.map::<EnvName, Literal>("env"), |it| it.0),
                secrets: map(reader.map("secrets"), |reference| reference),
                cpu: line(reader.text("cpu")),
                memory: line(reader.text("memory")),
            }
        });
        if mistakes.is_empty() {
            Ok(running)
        } else {
            Err(mistakes)
        }
    }
}

impl<P> Settings<P> {
    /// The tables of declarations with other places; the others are left behind.
    pub fn declarations<Q>(self, to: &impl Fn(P) -> Q) -> Settings<Q> {
        Settings {
            defaults: self.defaults.map(to),
            images: self
                .images
                .into_iter()
                .map(|(name, tree)| (name, tree.map(to)))
                .collect(),
            ..Settings::default()
        }
    }
}

fn read_profile(reader: &mut Reader<Position>) -> Profile {
    let given = reader.has("tags");
    let tags = lines(reader.list("tags"));
    Profile {
        registry_url: reader.text("registry_url").map(|it| it.value),
        image_tag: reader.text("image_tag").map(|it| it.value),
        engine: line(reader.text("engine")),
        schedule: reader.text("schedule").map(|it| it.value),
        concurrency_limit: reader.count("concurrency_limit").map(|it| it.value),
        tags: given.then_some(tags),
        work_pool: line(reader.text("work_pool")),
    }
}

fn line(placed: Option<Placed<Line, Position>>) -> Option<String> {
    placed.map(|line| line.value.0)
}

fn lines(placed: Vec<Placed<Line, Position>>) -> Vec<String> {
    placed.into_iter().map(|line| line.value.0).collect()
}

fn map<V, T>(
    placed: Vec<(Placed<EnvName, Position>, Placed<V, Position>)>,
    value: impl Fn(V) -> T,
) -> BTreeMap<EnvName, T> {
    placed
        .into_iter()
        .map(|(name, it)| (name.value, value(it.value)))
        .collect()
}

fn read_table<T>(
    tree: &Tree<Position>,
    catalogue: &'static [Key],
    mistakes: &mut Vec<Mistake<Option<Position>>>,
    read: impl FnOnce(&mut Reader<Position>) -> T,
) -> T {
    let mut reader = Reader::new(tree.clone(), catalogue);
    let table = read(&mut reader);
    let found = reader.finish().mistakes.into_iter();
    mistakes.extend(found.map(|mistake| mistake.map(&Some)));
    table
}

fn table<P: Clone>(entry: Entry<P>, findings: &mut Findings<P>) -> Tree<P> {
    match entry.value.value {
        Value::Map(entries) => Tree { entries },
        other => {
            findings.mistake(
                Mistake::new(
                    entry.key_place,
                    format!("`{}` is a table, but this is {}", entry.key, other.describe()),
                )
                .help(format!("write `[{}]`", entry.key)),
            );
            Tree::default()
        }
    }
}

fn named_tables<P: Clone>(entry: Entry<P>, findings: &mut Findings<P>) -> BTreeMap<String, Tree<P>> {
    let kind = entry.key.clone();
    let mut named = BTreeMap::new();
    for inner in table(entry, findings).entries {
        if !matches!(inner.value.value, Value::Map(_)) {
            findings.mistake(
                Mistake::new(
                    inner.key_place,
                    format!("`[{kind}]` needs a name before its keys"),
                )
                .help(format!("write `[{kind}.NAME]`")),
            );
            continue;
        }
        named.insert(inner.key.clone(), table(inner, findings));
    }
    named
}

fn unknown_table<P>(word: &str, place: P) -> Mistake<P> {
    let mistake = Mistake::new(place, format!("unknown table `{word}`"));
    if crate::keys::find(word).is_some() {
        return mistake.help(format!(
            "`{word}` is a key: put it below `[defaults]` or `[image.NAME]`"
        ));
    }
    match suggest(word, TABLES) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake.help(
            "expected one of: [defaults], [image.NAME], [profile.NAME], [engine], [registry], [prefect], [kubernetes]",
        ),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
