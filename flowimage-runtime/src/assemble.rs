//! The embedded builder: puts an image together from layers of this machine, without an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowimage_model::Declaration;
use flowimage_model::declaration::{Base, Libraries};
use flowimage_model::escape::expand_env;
use flowimage_model::render::{DEFAULT_USER, binary_path, command, entrypoint, library_folder};
use serde_json::{Value, json};

use crate::elf::{self, Elf};
use crate::failure::{Failure, Stage, at};
use crate::file_index::FileIndex;
use crate::flow::FlowUnit;
use crate::labels;
use crate::layer::{Content, Entry, LayerBuilder, LayerError};
use crate::layer_cache::LayerCache;
use crate::listed::{Listed, Lists};
use crate::oci::{self, Digest, Image, Layer, Platform};
use crate::scratch;
use crate::timestamp;

/// The program that becomes the entrypoint of every flow's image.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Its path on this machine.
    pub path: PathBuf,
    /// What it needs.
    pub elf: Elf,
    /// Whether its debug sections are left out on the way.
    pub has_debug_sections: bool,
}

impl Binary {
    /// Reads what a program says of itself.
    ///
    /// # Errors
    /// It is no Linux program.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let elf = Elf::read(path).map_err(at(Stage::Plan))?;
        let has_debug_sections = elf::has_debug_sections(path).map_err(at(Stage::Plan))?;
        Ok(Self {
            path: path.to_owned(),
            elf,
            has_debug_sections,
        })
    }

    /// The image's platform.
    pub fn platform(&self) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: self.elf.architecture.clone(),
            variant: None,
        }
    }
}

/// What an image stands on: configuration and layers below the flow's own.
#[derive(Clone, Debug, Default)]
pub struct Foundation {
    /// `config` of the image configuration; `Null` for the empty image.
    pub config: Value,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Files that give the default user a name, where the base has no user.
    pub account: BTreeMap<String, String>,
    /// Whether files and variables of the declaration are in it already.
    pub complete: bool,
    /// An entrypoint that runs its arguments, and so stays in front of the flow.
    pub entrypoint: Vec<String>,
    /// Of an environment that an engine built.
    pub identity: Option<Digest>,
}

/// The parts of an image that this machine has, each a layer, lowest first: kinds and contents.
///
/// # Errors
/// A file or library cannot be read.
pub fn parts(
    declaration: &Declaration,
    folder: &Path,
    binary: &Binary,
    index: &FileIndex,
    lists: &Lists,
) -> Result<Vec<Part>, Failure> {
    let program = binary.path.display();
    // The key names all that `make` reads.
    let part = |kind: Kind, key: String, make: &dyn Fn() -> Result<LayerBuilder, Failure>| {
        let listed = lists.once(format!("{} {key}", kind.word()), || {
            Listed::of(make()?, index).map_err(at(Stage::Plan))
        });
        listed.map(|listed| Part { kind, listed })
    };
    let mut parts = Vec::new();
    if *declaration.base_image.base() == Base::Scratch {
        let shipped = shipped_programs(declaration, folder);
        let root = || scratch::root(&binary.path, &binary.elf, &shipped).map_err(at(Stage::Plan));
        parts.push(part(Kind::Library, format!("{program} {shipped:?}"), &root)?);
    }
    if !declaration.files.is_empty() {
        let key = format!("{} {:?}", folder.display(), declaration.files);
        let files = || files(declaration, folder).map_err(at(Stage::Plan));
        parts.push(part(Kind::File, key, &files)?);
    }
    if declaration.libraries == Libraries::Bundled {
        let key = format!("{program} {}", library_folder(declaration));
        parts.push(part(Kind::Bundle, key, &|| libraries(declaration, binary))?);
    }
    let path = binary_path(declaration);
    let flow = || {
        let mut flow = LayerBuilder::new();
        flow.add(
            &path,
            Entry {
                content: Content::Host(binary.path.clone().into()),
                mode: 0o755,
                owner: 0,
            },
        );
        Ok(flow)
    };
    parts.push(part(Kind::Binary, format!("{program} {path}"), &flow)?);
    Ok(parts)
}

/// A layer of a flow's image that is not made yet.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it holds.
    pub kind: Kind,
    /// Its entries, which other flows may have too.
    pub listed: Arc<Listed>,
}

/// What a part of an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What an empty base needs to run the binary.
    Library,
    /// The declared files.
    File,
    /// The loader and libraries that are bundled with the binary.
    Bundle,
    /// The flow binary alone: the one layer that a change of the code changes, and one for all flows of a binary.
    Binary,
}

impl Kind {
    /// Its name, for people.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Library => "library",
            Kind::File => "file",
            Kind::Bundle => "bundle",
            Kind::Binary => "binary",
        }
    }
}

/// Puts the image of a flow together: its parts on a foundation, with these labels beside the declared ones.
///
/// # Errors
/// A file cannot be read, or changed meanwhile; the layout cannot be written.
pub fn assemble(
    unit: &FlowUnit,
    binary: &Binary,
    parts: &[Part],
    foundation: &Foundation,
    labels: &BTreeMap<String, String>,
    cache: &LayerCache<'_>,
    created: u64,
) -> Result<Image, Failure> {
    let mut layers = foundation.layers.clone();
    if let Some(account) = account(&unit.declaration, foundation) {
        let account = cache.list(account).map_err(at(Stage::Build))?;
        let layer = cache.layer("account", &account, |_| Ok(None));
        layers.push(layer.map_err(at(Stage::Build))?);
    }
    for part in parts {
        if foundation.complete && matches!(part.kind, Kind::Library | Kind::File) {
            continue;
        }
        let layer = cache.layer(part.kind.word(), &part.listed, |content| {
            match part.kind == Kind::Binary && binary.has_debug_sections {
                true => stripped(content).map(Some),
                false => Ok(None),
            }
        });
        layers.push(layer.map_err(at(Stage::Build))?);
    }
    let config = configuration(unit, binary, foundation, labels, &layers, created);
    let config = serde_json::to_vec(&config).map_err(|error| {
        Failure::text(
            Stage::Build,
            error.to_string(),
            "report this: a configuration is JSON",
        )
    })?;
    Ok(Image::new(config, layers))
}

/// The files that give the default user a name and a home, where the base has no user.
fn account(declaration: &Declaration, foundation: &Foundation) -> Option<LayerBuilder> {
    if foundation.account.is_empty() || declaration.user.is_some() {
        return None;
    }
    let mut account = LayerBuilder::new();
    for (path, text) in &foundation.account {
        account.bytes(path, text.as_bytes(), 0o644);
    }
    account.folder("/home/flow", 0o755, scratch::DEFAULT_UID);
    Some(account)
}

/// The declared files, as one layer.
///
/// # Errors
/// A file cannot be read.
pub fn files(declaration: &Declaration, folder: &Path) -> Result<LayerBuilder, LayerError> {
    let mut layer = LayerBuilder::new();
    for file in &declaration.files {
        layer.host(file.destination.as_str(), &folder.join(&file.source))?;
    }
    Ok(layer)
}

/// The loader and libraries of the flow binary, where the declaration has them beside it.
///
/// # Errors
/// The binary is static; a library cannot be read or is not on this machine.
pub fn libraries(declaration: &Declaration, binary: &Binary) -> Result<LayerBuilder, Failure> {
    let mut layer = LayerBuilder::new();
    for (name, file) in scratch::bundled(&binary.path, &binary.elf).map_err(at(Stage::Build))? {
        let path = format!("{}/{name}", library_folder(declaration));
        layer.add(
            &path,
            Entry {
                content: Content::Host(file.into()),
                mode: 0o755,
                owner: 0,
            },
        );
    }
    Ok(layer)
}

/// Declared files that may be programs, whose libraries must be in the image too.
pub fn shipped_programs(declaration: &Declaration, folder: &Path) -> Vec<PathBuf> {
    declaration
        .files
        .iter()
        .filter(|file| !file.folder)
        .map(|file| folder.join(&file.source))
        .collect()
}

/// A layer whose files are programs, without their debug sections.
fn stripped(content: &LayerBuilder) -> Result<LayerBuilder, LayerError> {
    let mut layer = content.clone();
    for (path, entry) in content.entries() {
        if let Content::Host(file) = &entry.content {
            let bytes = elf::strip(&file.path).map_err(|error| LayerError::Program(Box::new(error)))?;
            layer.add(
                path,
                Entry {
                    content: Content::Bytes(bytes),
                    ..entry.clone()
                },
            );
        }
    }
    Ok(layer)
}

/// The image configuration.
///
/// Source of the form: <https://github.com/opencontainers/image-spec/blob/main/config.md>.
fn configuration(
    unit: &FlowUnit,
    binary: &Binary,
    foundation: &Foundation,
    ours: &BTreeMap<String, String>,
    layers: &[Layer],
    created: u64,
) -> Value {
    let declaration = &unit.declaration;
    let mut config = match &foundation.config {
        Value::Object(config) => Value::Object(config.clone()),
        _ => json!({}),
    };
    let mut environment = oci::config::variables(&config);
    if environment.iter().all(|(name, _)| name != "PATH") {
        environment.insert(0, ("PATH".to_owned(), oci::config::PATH.to_owned()));
    }
    if !foundation.complete {
        let before = environment.clone();
        let lookup = |wanted: &str| {
            before
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        for (name, value) in &declaration.env_vars {
            let value = expand_env(value.as_str(), &lookup);
            match environment.iter_mut().find(|(known, _)| known == name.as_str()) {
                Some(pair) => pair.1 = value,
                None => environment.push((name.to_string(), value)),
            }
        }
    }
    config["Env"] = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let own = entrypoint(declaration);
    let words: Vec<&String> = foundation.entrypoint.iter().chain(&own).collect();
    config["Entrypoint"] = json!(words);
    config["Cmd"] = json!(command(declaration));
    config["User"] = json!(user(declaration, &foundation.config));
    if *declaration.base_image.base() == Base::Scratch && declaration.user.is_none() {
        config["WorkingDir"] = json!("/home/flow");
    }
    if !foundation.complete {
        for command in &declaration.extra_dockerfile_commands {
            configure(&mut config, command);
        }
    }
    let mut labels: BTreeMap<String, String> = config
        .get("Labels")
        .and_then(|labels| serde_json::from_value(labels.clone()).ok())
        .unwrap_or_default();
    labels = labels::of_image(labels, ours, declaration);
    config["Labels"] = json!(labels);
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    json!({
        "created": timestamp::seconds(created),
        "architecture": binary.elf.architecture,
        "os": "linux",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

/// The user of the image: declared, else the base's, else the default one.
fn user(declaration: &Declaration, base: &Value) -> String {
    match (&declaration.user, oci::config::user(base)) {
        (Some(user), _) => user.to_string(),
        (None, Some(user)) => user.to_owned(),
        (None, None) => DEFAULT_USER.to_owned(),
    }
}

/// Carries out an extra command that only configures.
fn configure(config: &mut Value, command: &str) {
    let (word, arguments) = command
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let arguments = arguments.trim();
    match word.to_ascii_uppercase().as_str() {
        "WORKDIR" => config["WorkingDir"] = json!(arguments),
        "STOPSIGNAL" => config["StopSignal"] = json!(arguments),
        "EXPOSE" => {
            for port in arguments.split_whitespace() {
                let port = if port.contains('/') {
                    port.to_owned()
                } else {
                    format!("{port}/tcp")
                };
                config["ExposedPorts"][port] = json!({});
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_commands_that_configure() {
        let mut config = json!({});
        for command in ["EXPOSE 80 53/udp", "workdir /x", "STOPSIGNAL SIGINT"] {
            configure(&mut config, command);
        }
        assert_eq!(
            config,
            json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "WorkingDir": "/x", "StopSignal": "SIGINT"})
        );
    }
}
