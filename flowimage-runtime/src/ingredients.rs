//! What decides an image's bytes, and what decides a registration: named, one by one, so that the identity of either
//! is a hash of the list, and what changed between two lists can be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowimage_model::Declaration;
use serde_json::Value;

use crate::listed::Listed;
use crate::oci::{Digest, sha256};

/// Keys that only say where an image goes, how it is checked and when it runs.
const NOT_OF_THE_IMAGE: [&str; 13] = [
    "allow",
    "commands",
    "concurrency_limit",
    "health_checks",
    "ignore_healthchecks",
    "image_name",
    "image_tag",
    "local_image",
    "registry_url",
    "schedule",
    "secrets",
    "tags",
    "work_pool",
];

/// Keys that say how it is checked.
const OF_THE_CHECKS: [&str; 3] = ["commands", "health_checks", "ignore_healthchecks"];

/// Of those, the keys that the orchestrator sees.
const OF_THE_REGISTRATION: [&str; 4] = ["concurrency_limit", "schedule", "tags", "work_pool"];

/// Everything that decides something, by name: `flowimage`, `key env_vars.TDSVER`, … and the entries of layers: `file
/// /etc/odbc.ini`. Values are digests, so that no list holds what a declaration says in confidence.
#[derive(Clone, Debug, Default)]
pub struct Ingredients {
    single: BTreeMap<String, Digest>,
    /// By what a layer's entries are called.
    layers: BTreeMap<String, Arc<Listed>>,
}

/// How the name of all that is in one layer begins.
const LAYER: &str = "layer ";

impl Ingredients {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    pub fn text(&mut self, name: impl Into<String>, text: &str) {
        self.digest(name, sha256(text.as_bytes()));
    }

    /// Adds what is known by its digest.
    pub fn digest(&mut self, name: impl Into<String>, digest: Digest) {
        self.single.insert(name.into(), digest);
    }

    /// Adds the entries of a layer, each as `<kind> <path in the image>`.
    pub fn layer(&mut self, kind: impl Into<String>, layer: Arc<Listed>) {
        self.layers.insert(kind.into(), layer);
    }

    /// Adds the keys of a declaration that decide the image's bytes.
    pub fn keys_of_image(&mut self, declaration: &Declaration) {
        self.keys(declaration, |key| !NOT_OF_THE_IMAGE.contains(&key));
    }

    /// Adds the keys of a declaration that say how an image is checked.
    pub fn keys_of_checks(&mut self, declaration: &Declaration) {
        self.keys(declaration, |key| OF_THE_CHECKS.contains(&key));
    }

    /// Adds the keys of a declaration that only the orchestrator sees.
    pub fn keys_of_registration(&mut self, declaration: &Declaration) {
        self.keys(declaration, |key| OF_THE_REGISTRATION.contains(&key));
    }

    /// Adds keys, those of maps one by one.
    fn keys(&mut self, declaration: &Declaration, wanted: impl Fn(&str) -> bool) {
        let Ok(Value::Object(keys)) = serde_json::to_value(declaration) else {
            return;
        };
        for (key, value) in keys.iter().filter(|(key, _)| wanted(key)) {
            match value {
                Value::Object(pairs) => {
                    for (name, value) in pairs {
                        self.text(format!("key {key}.{name}"), &value.to_string());
                    }
                }
                value => self.text(format!("key {key}"), &value.to_string()),
            }
        }
    }

    /// The hash of the list.
    pub fn identity(&self) -> Digest {
        sha256(self.head().as_bytes())
    }

    /// Lines for all that is known by itself and for each layer: few, however many entries layers have.
    fn head(&self) -> String {
        let mut text = String::new();
        for (name, digest) in &self.single {
            add_line(&mut text, digest, name);
        }
        for (kind, layer) in &self.layers {
            add_line(&mut text, layer.identity(), &format!("{LAYER}{kind}"));
        }
        text
    }

    /// Each entry of each layer, by its name.
    fn entries(&self) -> impl Iterator<Item = (String, &Digest)> {
        self.layers.iter().flat_map(|(kind, layer)| {
            let entries = layer.digests();
            entries.map(move |(path, digest)| (format!("{kind} /{path}"), digest))
        })
    }

    /// All of it, one by one.
    fn lines(&self) -> impl Iterator<Item = (String, &Digest)> {
        let single = self.single.iter().map(|(name, digest)| (name.clone(), digest));
        let all = single.chain(self.entries());
        all.map(|(name, digest)| (on_one_line(&name), digest))
    }

    /// The list, a line each. [`Remembered::from_text`] reads it again.
    pub fn to_text(&self) -> String {
        let mut text = self.head();
        text.push('\n');
        for (name, digest) in self.entries() {
            add_line(&mut text, digest, &name);
        }
        text
    }

    /// What is different now, in words, by name.
    pub fn changes_since(&self, before: &Remembered) -> Vec<String> {
        let now: BTreeMap<String, &Digest> = self.lines().collect();
        let mut changes = BTreeMap::new();
        for (name, digest) in &now {
            match before.lines.get(name) {
                None => drop(changes.insert(name, "is new")),
                Some(known) if known != *digest => drop(changes.insert(name, "changed")),
                Some(_) => {}
            }
        }
        for name in before.lines.keys().filter(|name| !now.contains_key(*name)) {
            changes.insert(name, "is gone");
        }
        changes
            .into_iter()
            .map(|(name, how)| match name.split_once(' ') {
                Some(("key", key)) => format!("`{key}` {how}"),
                _ => format!("{name} {how}"),
            })
            .collect()
    }
}

/// A list as it was before.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Its hash.
    pub identity: Digest,
    lines: BTreeMap<String, Digest>,
}

impl From<&Ingredients> for Remembered {
    fn from(list: &Ingredients) -> Self {
        let lines = list.lines().map(|(name, digest)| (name, digest.clone()));
        Self {
            identity: list.identity(),
            lines: lines.collect(),
        }
    }
}

impl Remembered {
    /// A list from its text, if it is one; lines that are none are left out.
    pub fn from_text(text: &str) -> Option<Self> {
        let line = |line: &str| {
            let (hex, name) = line.split_once(' ')?;
            Some((name.to_owned(), format!("sha256:{hex}").parse().ok()?))
        };
        // With its last line's end.
        let (head, entries) = text.split_at(text.find("\n\n")? + 1);
        let singles = head.lines().filter_map(line);
        let singles = singles.filter(|(name, _)| !name.starts_with(LAYER));
        Some(Self {
            identity: sha256(head.as_bytes()),
            lines: singles.chain(entries.lines().filter_map(line)).collect(),
        })
    }
}

fn add_line(text: &mut String, digest: &Digest, name: &str) {
    text.push_str(digest.hex());
    text.push(' ');
    text.push_str(&on_one_line(name));
    text.push('\n');
}

fn on_one_line(name: &str) -> String {
    name.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::file_index::FileIndex;
    use crate::layer::LayerBuilder;

    fn declaration(toml: &str) -> Declaration {
        toml::from_str(toml).unwrap()
    }

    const BASE: &str =
        "name = \"a\"\nbase_image = { inferred = \"scratch\" }\nflow_directory = \"/opt/flow\"\n";

    fn image(toml: &str) -> Ingredients {
        let mut list = Ingredients::new();
        list.keys_of_image(&declaration(toml));
        list
    }

    fn written(list: &Ingredients) -> Remembered {
        Remembered::from_text(&list.to_text()).unwrap()
    }

    #[test]
    fn changes_are_told_by_key() {
        let before = image(&format!("{BASE}[env_vars]\nA = \"1\"\nB = \"1\"\n"));
        let after = image(&format!("{BASE}user = \"7\"\n[env_vars]\nB = \"2\"\nC = \"1\"\n"));
        let before = written(&before);
        assert_eq!(
            after.changes_since(&before),
            [
                "`env_vars.A` is gone",
                "`env_vars.B` changed",
                "`env_vars.C` is new",
                "`user` is new"
            ]
        );
        assert_ne!(before.identity, after.identity());
        assert_eq!(written(&after).identity, after.identity());
        assert!(after.changes_since(&written(&after)).is_empty());
    }

    #[test]
    fn what_the_orchestrator_alone_sees_is_no_part_of_the_image() {
        let plain = declaration(BASE);
        let other = declaration(&format!(
            "{BASE}tags = [\"x\"]\nconcurrency_limit = 2\nwork_pool = \"p\"\nregistry_url = \"r.io/x\"\n"
        ));
        let lists = |it: &Declaration| {
            let (mut image, mut registration) = (Ingredients::new(), Ingredients::new());
            image.keys_of_image(it);
            registration.keys_of_registration(it);
            (image.identity(), registration.identity())
        };
        assert_eq!(lists(&plain).0, lists(&other).0);
        assert_ne!(lists(&plain).1, lists(&other).1);
    }

    #[test]
    fn files_count_by_content_and_mode_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let list = |name: &str, text: &str, mode: u32| {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let mut layer = LayerBuilder::new();
            layer.host("/etc/x", &file).unwrap();
            let mut list = Ingredients::new();
            let files = FileIndex::new(folder.path().join("index"));
            list.layer("file", Arc::new(Listed::of(layer, &files).unwrap()));
            list
        };
        let first = list("a", "x", 0o644);
        assert_eq!(first.identity(), list("b", "x", 0o600).identity());
        assert_eq!(
            list("a", "y", 0o644).changes_since(&written(&first)),
            ["file /etc/x changed"]
        );
        assert_eq!(
            list("a", "x", 0o755).changes_since(&written(&first)),
            ["file /etc/x changed"]
        );
        assert_ne!(first.identity(), list("a", "x", 0o755).identity());
    }
}
